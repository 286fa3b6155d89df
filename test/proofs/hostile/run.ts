import { runProofs } from '../proof-command.ts';
import { proofs, prove } from './prove.ts';
import { forms } from './sizes.ts';

await runProofs({
  name: 'hostile',
  help: [
    'Attacks a real server as hostile clients do, and prints one line for each promise, with its figures.',
    'What breaks a promise is printed as a command of curl, or as JSON, made as small as it can be.',
  ],
  ...{ proofs, forms, prove },
});
