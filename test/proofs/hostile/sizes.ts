import type { Form } from '../proof-command.ts';

/** How much of everything. */
export interface Sizes {
  /** Of what was thought of, one in so many. */
  readonly everyCrafted: number;
  /** Inputs that are generated, through all doors together. */
  readonly generated: number;
  /** What any answer may take, in milliseconds; beside other tests, what only a server takes that hangs. */
  readonly patienceMs: number;
  /** Connections of each slow kind that are held open. */
  readonly slowConnections: number;
  /** What slow headers may take: the server's limit, a wait for the first request, and how often it looks. */
  readonly slowHeadersMs: number;
  /** Fragments of one byte in one message. */
  readonly fragments: number;
  /** What is sent of pings whose answers nobody reads, in bytes. */
  readonly floodBytes: number;
  /** Sockets that one credential, and many, try to have at once. */
  readonly sockets: number;
  /** Connections that are killed in the middle of something. */
  readonly cycles: number;
}

export const forms: Readonly<Record<Form, Sizes>> = {
  short: {
    ...{ everyCrafted: 7, generated: 600, patienceMs: 15_000, slowConnections: 20 },
    ...{ slowHeadersMs: 35_000, fragments: 100_000 },
    ...{ floodBytes: 64 * 1_048_576, sockets: 300, cycles: 300 },
  },
  usual: {
    ...{ everyCrafted: 1, generated: 20_000, patienceMs: 5_000, slowConnections: 100 },
    ...{ slowHeadersMs: 35_000, fragments: 100_000 },
    ...{ floodBytes: 512 * 1_048_576, sockets: 2_000, cycles: 10_000 },
  },
  full: {
    ...{ everyCrafted: 1, generated: 200_000, patienceMs: 5_000, slowConnections: 500 },
    ...{ slowHeadersMs: 35_000, fragments: 100_000 },
    ...{ floodBytes: 2_048 * 1_048_576, sockets: 4_000, cycles: 100_000 },
  },
};
