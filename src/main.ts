import { createApp } from './app.ts';
import { ConfigError, parseConfig } from './config.ts';

/** The process: settings from its environment, one app, and an orderly end on the first signal. */
async function main(): Promise<void> {
  const app = await createApp(parseConfig(process.env));
  console.log(`Synclog listens on ${app.url} (GraphQL and GraphiQL at ${app.url}/graphql)`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
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
  console.error(error instanceof ConfigError ? error.message : error);
  process.exitCode = 1;
});
