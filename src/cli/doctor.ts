import type { Finding } from '../doctor/finding.ts';
import { asTyped } from '../lib/package-folder.ts';
import { readCommandLine } from './command-line.ts';
import { print } from './print.ts';
import type { Command } from './run-command.ts';

const help = `Looks for what is wrong with the settings, this machine, the database and Redis, and says what to do about it.

  npm run doctor
      Changes nothing; a server may run or not.
  npm run doctor -- --json
      Prints one JSON object for each finding: area, state (ok, warning or problem), says, advice.
  npm run doctor -- --help
      Shows this text.

Exit status: 0 no problem was found, whatever the warnings; 1 there is a problem, or a failure; 2 a mistake in the command
line.`;

export const doctorCommand: Command = {
  name: 'doctor',
  help,
  async run(args) {
    const { values } = readCommandLine(args, { options: { json: { type: 'boolean' } } });
    const { examine } = await import('../doctor/examine.ts');
    let problems = 0;
    let warnings = 0;
    for await (const finding of examine(process.env)) {
      if (finding.state === 'problem') problems += 1;
      if (finding.state === 'warning') warnings += 1;
      print(values.json ? JSON.stringify(finding) : textOf(finding));
    }
    if (!values.json) print(`\n${conclusionOf(problems, warnings)}`);
    return problems === 0 ? 0 : 1;
  },
};

function conclusionOf(problems: number, warnings: number): string {
  const counts = [
    ...(problems > 0 ? [`Problems: ${problems}.`] : []),
    ...(warnings > 0 ? [`Warnings: ${warnings}.`] : []),
  ];
  return [...(problems === 0 ? ['Nothing keeps the server from working.'] : []), ...counts].join(' ');
}

function textOf({ area, state, says, advice }: Finding): string {
  const line = `${state.padEnd(8)} ${area.padEnd(9)} ${says}`;
  return advice === undefined ? line : `${line}\n${' '.repeat(19)}→ ${asTyped(advice)}`;
}
