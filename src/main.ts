import { createApp } from './app.ts';
import { parseConfig } from './config.ts';
import { failureText } from './failure-text.ts';

/** The process: settings from its environment, one app, and an orderly end on the first signal. */
async function main(): Promise<void> {
  const app = await createApp(parseConfig(process.env));
  console.log(`Synclog listens on ${app.url} (GraphQL and GraphiQL at ${app.url}/graphql)`);
  // Not `once`: npm and a terminal may both send the same Ctrl+C, and the second would cut the first one's end short.
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      app.close().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
}

main().catch((error: unknown) => {
  console.error(failureText(error));
  process.exitCode = 1;
});
