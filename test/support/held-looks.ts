import type { Database, Reader } from '../../src/db/database.ts';

/**
 * The same database, of which a read that finds out where logs begin and end can be held up, with what it has found; or
 * the one of which this is a part.
 */
export function holdLooks(database: Database, part = 'head_sequence') {
  let held: { readonly arrive: () => void; readonly released: Promise<void> } | undefined;
  const reader = database.reader.$extends({
    query: {
      async $queryRaw({ args, query }) {
        const rows = await query(args);
        const now = args.sql.includes(part) ? held : undefined;
        if (now) held = undefined;
        now?.arrive();
        await now?.released;
        return rows;
      },
    },
  });
  return {
    // The client has the methods that reading needs; what an extension adds is only the wait.
    database: { ...database, reader: reader as unknown as Reader },
    /** Holds up the next one. `arrived` resolves when it has found something, which it tells after `release`. */
    hold() {
      let [arrive, release] = [() => {}, () => {}];
      const arrived = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      held = { arrive, released };
      return { arrived, release };
    },
  };
}
