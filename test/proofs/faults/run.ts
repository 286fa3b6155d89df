import { runProofs } from '../proof-command.ts';
import { proofs, prove } from './prove.ts';
import { forms } from './sizes.ts';

await runProofs({
  name: 'faults',
  help: [
    'Holds the promises of docs/guarantees.md that have a proof against real faults, and prints one line for each proof.',
    [
      '"seen" counts what followers were shown, several of them for each log and some with filters; "sessions" how often they',
      'subscribed; "cuts" connections that the network cut on top.',
    ].join('\n'),
  ],
  ...{ proofs, forms, prove },
});
