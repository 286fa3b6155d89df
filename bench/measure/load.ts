import { Client } from 'undici';
import { percentile } from './statistics.ts';

/** One request, as a client sends it. */
export interface Shot {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The status of a good answer: 200, if not another one. */
  readonly status?: number;
}

/** How much of a load there is: so many requests, or as many as fit into so many seconds. */
type Amount = { readonly requests: number } | { readonly seconds: number };

/** What a load has met. */
export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Half of the answers came within so many milliseconds. */
  readonly p50Ms: number;
  /** 99 % of the answers came within so many milliseconds. */
  readonly p99Ms: number;
}

/**
 * Sends requests over kept connections, one at a time on each. Each connection takes the next shot, and after the last
 * comes the first again: as many requests as shots send each shot once.
 * @throws when any answer has another status than its shot expects: a fast refusal is no result
 */
export async function load(
  url: string,
  shots: readonly Shot[],
  amount: Amount,
  { connections }: { readonly connections: number },
): Promise<LoadResult> {
  const latencies: number[] = [];
  const begun = performance.now();
  let sent = 0;
  const isOver = () =>
    'requests' in amount ? sent >= amount.requests : performance.now() - begun >= amount.seconds * 1_000;

  async function sendInTurn(client: Client): Promise<void> {
    while (!isOver()) {
      const shot = shots[sent % shots.length];
      if (!shot) throw new Error('There is nothing to send');
      sent += 1;
      const sentAt = performance.now();
      const { statusCode, body } = await client.request(shot);
      const answer = await body.arrayBuffer();
      latencies.push(performance.now() - sentAt);
      if (statusCode !== (shot.status ?? 200))
        throw new Error(`${url} answers ${statusCode}: ${Buffer.from(answer).toString().slice(0, 1_000)}`);
    }
  }

  const clients = Array.from({ length: connections }, () => new Client(url));
  try {
    await Promise.all(clients.map(sendInTurn));
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
  const seconds = (performance.now() - begun) / 1_000;
  return {
    requests: sent,
    perSecond: sent / seconds,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
  };
}
