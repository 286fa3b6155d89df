import { type Client, type Config, LibsqlError } from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';

type Statement = Parameters<Client['execute']>[0];

/**
 * The libsql adapter with transactions on its one connection. The client's own `transaction()` gives its connection
 * away with each transaction and opens another, and nothing closes the old one before the garbage collector does: a
 * busy server would run out of file descriptors. The adapter lets no other statement in while a transaction is open.
 */
export class OneConnectionLibSql extends PrismaLibSql {
  override createClient(config: Config): Client {
    const client = super.createClient(config);
    return replaceMethods(client, { transaction: () => begin(client) });
  }
}

/**
 * The libsql adapter on a connection that cannot write, nor begin a transaction: it would wait for the write lock
 * within the driver, and nothing else would run meanwhile. The driver may leave a statement open that meets a busy
 * database, and as long as one is open, its connection goes on reading what was there at the next read. So the
 * connection is closed then, and the next statement opens another one.
 */
export class ReadOnlyLibSql extends PrismaLibSql {
  override createClient(config: Config): Client {
    const client = super.createClient(config);
    return replaceMethods(client, { execute: readOnly(client), transaction: refuseTransaction });
  }
}

function replaceMethods(client: Client, methods: { readonly [name: string | symbol]: unknown }): Client {
  return new Proxy(client, {
    get(_, key) {
      if (key in methods) return methods[key];
      const value: unknown = Reflect.get(client, key);
      return typeof value === 'function' ? value.bind(client) : value;
    },
  });
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
    execute: (statement: Statement) => client.execute(statement),
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
    close: () => {},
    get closed() {
      return closed;
    },
  };
}

/** Runs statements, of which the adapter sends one at a time. */
function readOnly(client: Client) {
  let connection: 'new' | 'ready' | 'broken' = 'new';
  return async (statement: Statement) => {
    if (connection === 'broken') await client.reconnect();
    if (connection !== 'ready') await client.execute('PRAGMA query_only = ON');
    connection = 'ready';
    try {
      return await client.execute(statement);
    } catch (error) {
      if (error instanceof LibsqlError && error.code === 'SQLITE_BUSY') {
        connection = 'broken';
        client.close();
      }
      throw error;
    }
  };
}

async function refuseTransaction(): Promise<never> {
  throw new Error('The connection that reads begins no transaction');
}
