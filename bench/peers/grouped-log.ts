import { openPostgresWriteLog } from './postgres-write-log.ts';
import { openSqliteWriteLog } from './sqlite-write-log.ts';
import type { Draft, Recorded } from './write-log.ts';

/** As many as Synclog puts into one transaction. */
const EVENTS_PER_TRANSACTION = 1_000;

interface Waiting {
  readonly drafts: readonly Draft[];
  resolve(results: readonly Recorded[]): void;
  reject(reason: unknown): void;
}

/** Opens the log so that requests which come while a transaction runs share the next one. */
export async function openGroupedLog(url: string) {
  const log = await (url.startsWith('file:')
    ? openSqliteWriteLog(url.slice('file:'.length))
    : openPostgresWriteLog(url));
  let waiting: Waiting[] = [];
  let isWorking = false;

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const group = takeGroup();
      try {
        const results = await log.write(group.flatMap(({ drafts }) => drafts));
        let place = 0;
        for (const { drafts, resolve } of group) {
          resolve(results.slice(place, place + drafts.length));
          place += drafts.length;
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
      // A driver that answers within the call would let no request in.
      await new Promise(setImmediate);
    }
    isWorking = false;
  }

  function takeGroup(): Waiting[] {
    let events = 0;
    const size = waiting.findIndex(({ drafts }, place) => {
      events += drafts.length;
      return place > 0 && events > EVENTS_PER_TRANSACTION;
    });
    const group = size < 0 ? waiting : waiting.slice(0, size);
    waiting = size < 0 ? [] : waiting.slice(size);
    return group;
  }

  return {
    record: (drafts: readonly Draft[]) =>
      new Promise<readonly Recorded[]>((resolve, reject) => {
        waiting.push({ drafts, resolve, reject });
        if (isWorking) return;
        isWorking = true;
        setImmediate(() => void work());
      }),
  };
}
