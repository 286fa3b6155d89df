import { readCommandLine } from '../src/cli/command-line.ts';
import { print } from '../src/cli/print.ts';
import { runCommand } from '../src/cli/run-command.ts';

const help = `Builds the server: \`dist/\` runs with Node alone, and with libsql where the database is a SQLite file.

  npm run build
      \`npm start\` does the same where nothing is built, or the source has changed since.
  npm run build -- --out FOLDER
      Builds into another folder than dist.
  npm run build -- --clean
      Leaves nothing of the build before, whose modules a server that runs may still load.
  npm run build -- --quiet
      Prints nothing unless it fails.
  npm run build -- --help
      Shows this text.

Exit status: 0 done, 1 a failure, 2 a mistake in the command line.`;

await runCommand({
  name: 'build',
  help,
  async run(args) {
    const { values } = readCommandLine(args, {
      options: { out: { type: 'string' }, clean: { type: 'boolean' }, quiet: { type: 'boolean' } },
    });
    const { bundle } = await import('./bundle.ts');
    const folder = values.out ?? 'dist';
    const { files, bytes, packages } = await bundle(folder, { clean: values.clean ?? false });
    if (!values.quiet)
      print(`Built ${folder}: ${files} files of ${(bytes / 1e6).toFixed(1)} MB, with ${packages} packages in them.`);
    return 0;
  },
});
