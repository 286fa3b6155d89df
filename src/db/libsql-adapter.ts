import type { Client, Config } from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';

/**
 * The libsql adapter with transactions on its one connection. The client's own `transaction()` gives its connection
 * away with each transaction and opens another, and nothing closes the old one before the garbage collector does: a
 * busy server would run out of file descriptors. The adapter lets no other statement in while a transaction is open.
 */
export class OneConnectionLibSql extends PrismaLibSql {
  override createClient(config: Config): Client {
    return new Proxy(super.createClient(config), {
      get(client, key) {
        if (key === 'transaction') return () => begin(client);
        const value: unknown = Reflect.get(client, key);
        return typeof value === 'function' ? value.bind(client) : value;
      },
    });
  }
}

/** A transaction that takes the write lock at once, so that it cannot fail for it later on. */
async function begin(client: Client) {
  await client.execute('BEGIN IMMEDIATE');
  let closed = false;
  const end = async (statement: 'COMMIT' | 'ROLLBACK') => {
    if (closed) return;
    await client.execute(statement);
    closed = true;
  };
  return {
    execute: (statement: Parameters<Client['execute']>[0]) => client.execute(statement),
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
    close: () => {},
    get closed() {
      return closed;
    },
  };
}
