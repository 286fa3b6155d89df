import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';

/** A client that asks and asks, in a process of its own: who reads its answers is not who measures another's. */
export interface Misuser {
  /** It asks each series at once, and in a series one query after another, every time as another text. */
  begin(): void;
  /** Resolves once it has its last answers. @returns how long each query took that was answered, in milliseconds, by series */
  end(): Promise<number[][]>;
  stop(): void;
}

/** What the process is told. */
interface Orders {
  readonly url: string;
  readonly apiKey: string;
  /** By series. */
  readonly queries: readonly (readonly string[])[];
}

export function startMisuser(orders: Orders): Misuser {
  const child = fork(import.meta.filename, { env: { ...process.env, MISUSER: JSON.stringify(orders) } });
  let report: Promise<number[][]> | undefined;
  return {
    begin() {
      report = reportOf(child);
      report.catch(() => {}); // whoever ends it is told
      child.send('begin');
    },
    async end() {
      child.send('end');
      return (await report) ?? [];
    },
    stop: () => child.kill('SIGKILL'),
  };
}

async function reportOf(child: ChildProcess): Promise<number[][]> {
  const [report] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`The misuser ended with ${code}`))),
  ]);
  if (!Array.isArray(report)) throw new Error(`A misuser failed: ${report}`);
  return report;
}

/**
 * Asks, and reads the answer to its end.
 * @returns whether it was answered: what is past a limit is refused
 * @throws for errors of another kind
 */
export function clientOf({ url, apiKey }: Pick<Orders, 'url' | 'apiKey'>): (query: string) => Promise<boolean> {
  return async (query) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    const text = Buffer.from(await response.arrayBuffer()).toString('latin1', 0, 400);
    if (text.includes('LIMIT_EXCEEDED') || text.includes('RATE_LIMITED')) return false;
    if (!response.ok || text.includes('"errors"')) throw new Error(`${url} answers ${response.status}: ${text}`);
    return true;
  };
}

/** What the process does. */
async function misuse({ url, apiKey, queries }: Orders): Promise<void> {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL); // who measures comes first
  const client = clientOf({ url, apiKey });
  let round = 0;
  for (;;) {
    await once(process, 'message');
    let goesOn = true;
    process.once('message', () => {
      goesOn = false;
    });
    round += 1;
    const times = await Promise.all(
      queries.map(async (own, each) => {
        const took: number[] = [];
        for (let turn = 0; goesOn; turn += 1) {
          const begun = performance.now();
          const text = `${own[turn % own.length]} # ${round} ${each} ${turn}`; // not the same one, whose answer would be kept
          if (await client(text)) took.push(performance.now() - begun);
        }
        return took;
      }),
    ).catch(String);
    process.send?.(times);
  }
}

const { MISUSER } = process.env;
if (MISUSER) await misuse(JSON.parse(MISUSER));
