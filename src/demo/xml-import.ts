import { between, hex, pick, type Random } from '../lib/random.ts';
import type { Account } from './accounts.ts';
import { completed, failed, type Run, type Scenario, type Step, started } from './scenario.ts';

/** An export file of Apple Health that somebody uploads. Minutes may pass between its two events. */
export function xmlImport(random: Random, { person }: Account, outcome: 'imported' | 'broken'): Scenario {
  const run: Run = { userId: person.id, provider: 'apple', source: 'xml_import', runId: `xml_${hex(random, 16)}` };
  const filename = pick(random, ['export.xml', 'apple_health_export.xml', 'Export 2.xml']);
  const metadata = { filename };
  const begins: Step = {
    afterMs: 0,
    draft: (at) => started(run, at, { message: `Importing Apple Health XML file ${filename}`, metadata }),
  };
  if (outcome === 'broken') {
    const message = `Apple Health XML import failed: ${filename}`;
    const error = `not well-formed (invalid token): line ${between(random, 2, 90_000)}, column 17`;
    return [
      begins,
      { afterMs: between(random, 500, 4_000), draft: (at) => failed(run, at, { message, error, metadata }) },
    ];
  }
  const itemsProcessed = between(random, 60_000, 600_000);
  return [
    begins,
    {
      afterMs: between(random, 40_000, 240_000),
      draft: (at) => completed(run, at, { message: 'Apple Health XML import completed', itemsProcessed, metadata }),
    },
  ];
}
