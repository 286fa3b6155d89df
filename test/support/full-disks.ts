import { randomUUID } from 'node:crypto';
import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { createSmallDisk } from './small-disk.ts';

/** A database whose disk can be full. */
export interface PlaceOnDisk {
  readonly url: string;
  drop(): Promise<void>;
  /** Leaves no room for anything. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

export async function fileOnSmallDisk(megabytes: number): Promise<PlaceOnDisk> {
  const disk = createSmallDisk(megabytes);
  return {
    url: `file:${join(disk.folder, 'synclog.db')}`,
    drop: async () => disk.remove(),
    fill: async () => disk.fill(),
    free: async () => disk.free(),
  };
}

/** A database of a server, in a tablespace of its own. @param serverUrl of a user who may make tablespaces */
export async function postgresOnSmallDisk(serverUrl: string, megabytes: number): Promise<PlaceOnDisk> {
  const disk = createSmallDisk(megabytes);
  const name = `small_${randomUUID().replaceAll('-', '')}`;
  const folder = join(disk.folder, 'space');
  mkdirSync(folder);
  await onServer(serverUrl, async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    const { uid, gid } = statSync(rows[0]?.data_directory ?? '');
    chownSync(folder, uid, gid); // the server may run as another user than we do
    await client.query(`CREATE TABLESPACE ${name} LOCATION '${folder}'`);
    await client.query(`CREATE DATABASE ${name} TABLESPACE ${name}`);
  });
  const url = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  return {
    url,
    async drop() {
      await onServer(serverUrl, async (client) => {
        await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
        await client.query(`DROP TABLESPACE ${name}`);
      });
      disk.remove();
    },
    async fill() {
      await onServer(url, (client) => client.query('CREATE TABLE IF NOT EXISTS filler (text text)'));
      // On a connection from before: with the first one after a change of tables Postgres writes a file.
      await onServer(url, async (client) => {
        disk.fill();
        await exhaust(client);
      });
    },
    free: async () => disk.free(),
  };
}

/** Until nothing more can be written: the pages that are there may have some room left. */
async function exhaust(client: pg.Client): Promise<void> {
  for (;;)
    try {
      await client.query('INSERT INTO filler SELECT repeat(md5(random()::text), 50) FROM generate_series(1, 50)');
    } catch {
      return;
    }
}

async function onServer<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  return use(client).finally(() => client.end());
}
