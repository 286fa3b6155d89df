import type { Client, Config, InValue } from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import type { SqlDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { aroundStatements } from './around-statements.ts';
import type { SqliteReadConnection } from './sqlite-read-connection.ts';

/** Of what is deleted, or replaced, nothing stays in parts of the file that are free again. */
export const overwriteDeleted = 'PRAGMA secure_delete = ON';

type Statement = Parameters<Client['execute']>[0];

/**
 * The libsql adapter with transactions on its one connection. The client's own `transaction()` gives its connection
 * away with each transaction and opens another, and nothing closes the old one before the garbage collector does: a
 * busy server would run out of file descriptors. The adapter lets no other statement in while a transaction is open.
 */
export class OneConnectionLibSql extends PrismaLibSql {
  override createClient(config: Config): Client {
    const client = super.createClient(config);
    // A file that cannot even be asked fails at the first statement that somebody waits for.
    client.execute(overwriteDeleted).catch(() => {});
    return replaceMethods(client, { transaction: () => begin(client) });
  }
}

/**
 * The libsql adapter on a connection that only reads. The adapter lets statements in one at a time, so that it makes single
 * attempts: a read that waits in between for another process's lock stands outside, and keeps nobody else from reading.
 */
export function readOnlyLibSql(connection: SqliteReadConnection): SqlDriverAdapterFactory {
  return aroundStatements(new ReadOnlyLibSql(connection), (_, attempt) => connection.whenFree(attempt));
}

class ReadOnlyLibSql extends PrismaLibSql {
  readonly #connection: SqliteReadConnection;

  constructor(connection: SqliteReadConnection) {
    super({ url: ':memory:' }, { timestampFormat: 'unixepoch-ms' });
    this.#connection = connection;
  }

  override createClient(): Client {
    const connection = this.#connection;
    const client = {
      async execute({ sql, args }: { readonly sql: string; readonly args: readonly InValue[] }) {
        return { ...connection.once(sql, args), rowsAffected: 0 };
      },
      executeMultiple: refuse,
      transaction: refuse,
      close: () => connection.close(),
    };
    return client as unknown as Client; // the adapter calls nothing else
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

async function refuse(): Promise<never> {
  throw new Error('The connection that reads begins no transaction');
}
