import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The settings that the bench gives to a peer. */
export const settings = { databaseUrl: process.env.DATABASE_URL ?? '' } as const;

/** Where every peer listens: on a port that is free. */
export const listenOptions = { port: 0, host: '127.0.0.1' } as const;

/** Prints what the bench waits for. */
export function listening(port: number | string): void {
  console.log(`listening on http://${listenOptions.host}:${port}`);
}

export function listenOn(server: Server): void {
  server.listen(listenOptions, () => listening((server.address() as AddressInfo).port)); // it listens on a port
}
