import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { accountOf } from './clients.ts';

/** Who opens something, and from where. */
export interface Client {
  readonly viewer: Viewer;
  readonly address: string;
}

/** When somebody who has too many open is to ask again, in seconds: streams are open for long. */
const RETRY_AFTER = 10;

/**
 * How many sockets and streams are open on this instance, in all and on each account. A socket is one, and each stream on it one
 * more. The last part of all is for services and developers, so that a crowd does not lock out who looks after it; half of that
 * lets in sockets whose clients have still to say who they are. Users, and who has not said it, count for their address as
 * well: a new account is easily had, an address is not.
 */
export class StreamCounts {
  readonly #limits: Pick<Limits, 'openStreams' | 'streamParts'>;
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(limits: Pick<Limits, 'openStreams' | 'streamParts'>) {
    this.#limits = limits;
  }

  /**
   * Counts one more.
   * @param isArriving whether the client may still say who it is
   * @returns what takes it back; calling it again does nothing
   * @throws AppError `UNAVAILABLE` when there are too many in all, `RATE_LIMITED` when this client has too many
   */
  take({ viewer, address }: Client, isArriving = false): () => void {
    const { openStreams, streamParts } = this.#limits;
    const isOperator = viewer.kind === 'service' || viewer.kind === 'developer';
    const reserved = isOperator ? 0 : this.#part(isArriving ? 2 * streamParts.operators : streamParts.operators);
    if (this.#total >= openStreams - reserved)
      throw new AppError('UNAVAILABLE', 'The server has as many sockets and streams open as it may');
    const accounts = new Set([accountOf(viewer, address)]);
    if (!isOperator) accounts.add(accountOf({ kind: 'anonymous' }, address));
    for (const account of accounts) this.#check(account);
    for (const account of accounts) this.#open.set(account, this.#of(account) + 1);
    this.#total += 1;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#total -= 1;
      for (const account of accounts) this.#leave(account);
    };
  }

  #check(account: string): void {
    const { streamParts } = this.#limits;
    const part = account.startsWith('user ')
      ? streamParts.user
      : account.startsWith('address ')
        ? streamParts.address
        : streamParts.service;
    const most = this.#part(part);
    if (this.#of(account) < most) return;
    const [whose] = account.split(' ', 1);
    const message = `This ${whose} has ${most} sockets and streams open, which is as many as it may have`;
    throw new AppError('RATE_LIMITED', message, { retryAfter: RETRY_AFTER });
  }

  #part(part: number): number {
    return Math.ceil(this.#limits.openStreams / part);
  }

  #of(account: string): number {
    return this.#open.get(account) ?? 0;
  }

  #leave(account: string): void {
    const left = this.#of(account) - 1;
    if (left > 0) this.#open.set(account, left);
    else this.#open.delete(account);
  }
}
