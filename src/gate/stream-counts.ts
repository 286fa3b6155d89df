import type { Viewer } from '../auth/viewer.ts';
import { AppError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { accountOf } from './clients.ts';

/** Who opens something, and from where. */
export interface Client {
  readonly viewer: Viewer;
  readonly address: string;
}

/** Where somebody is counted. */
export interface Place {
  /** Counts it no more. @returns whether it was counted until now */
  readonly leave: () => boolean;
  /** Counts it again, without asking whether there is room. */
  readonly comeBack: () => void;
}

/** When somebody who has too many open is to ask again, in seconds: streams are open for long. */
const RETRY_AFTER = 10;

/** How many there may be: `all`, of which each of `parts` is one in so many. */
interface Room {
  readonly all: number;
  readonly parts: Limits['streamParts'];
  /** What is counted, for an error. */
  readonly what: string;
}

/**
 * How many sockets and streams, or exports, are open on this instance, in all and on each account. A socket is one, and each
 * stream on it one more. The last part of all is for services and developers, so that a crowd does not lock out who looks after
 * it; half of that lets in sockets whose clients have still to say who they are. Users, and who has not said it, count for their
 * address as well: a new account is easily had, an address is not.
 */
export class StreamCounts {
  readonly #room: Room;
  readonly #onFull: ((open: number) => void) | undefined;
  readonly #open = new Map<string, number>();
  #total = 0;
  #isFullTold = false;

  /** @param onFull told how many are open when one is refused for all of them; again once it has been half of that */
  constructor(room: Room, onFull?: (open: number) => void) {
    this.#room = room;
    this.#onFull = onFull;
  }

  /**
   * Counts one more.
   * @param isArriving whether the client may still say who it is
   * @param before where the client was counted until now: it stays there if it is refused, and leaves else
   * @throws AppError `UNAVAILABLE` when there are too many in all, `RATE_LIMITED` when this client has too many
   */
  take(client: Client, isArriving = false, before?: Place): Place {
    const hasLeft = before?.leave();
    try {
      return this.#placeOf(this.#accountsWithRoom(client, isArriving));
    } catch (error) {
      if (hasLeft) before?.comeBack();
      throw error;
    }
  }

  #accountsWithRoom({ viewer, address }: Client, isArriving: boolean): ReadonlySet<string> {
    const { all, parts, what } = this.#room;
    const isOperator = viewer.kind === 'service' || viewer.kind === 'developer';
    const reserved = isOperator ? 0 : this.#part(isArriving ? 2 * parts.operators : parts.operators);
    if (this.#total >= all - reserved) {
      if (!this.#isFullTold) this.#onFull?.(this.#total);
      this.#isFullTold = true;
      throw new AppError('UNAVAILABLE', `The server has as many ${what} open as it may`);
    }
    const accounts = new Set([accountOf(viewer, address)]);
    if (!isOperator) accounts.add(accountOf({ kind: 'anonymous' }, address));
    for (const account of accounts) this.#check(account);
    return accounts;
  }

  #placeOf(accounts: ReadonlySet<string>): Place {
    let isCounted = false;
    const count = (isNow: boolean) => {
      if (isNow === isCounted) return false;
      isCounted = isNow;
      const more = isNow ? 1 : -1;
      this.#total += more;
      if (this.#total < this.#room.all / 2) this.#isFullTold = false;
      for (const account of accounts) this.#add(account, more);
      return true;
    };
    count(true);
    return { leave: () => count(false), comeBack: () => void count(true) };
  }

  #check(account: string): void {
    const { parts, what } = this.#room;
    const part = account.startsWith('user ')
      ? parts.user
      : account.startsWith('address ')
        ? parts.address
        : parts.service;
    const most = this.#part(part);
    if (this.#of(account) < most) return;
    const [whose] = account.split(' ', 1);
    const message = `This ${whose} has ${most} ${what} open, which is as many as it may have`;
    throw new AppError('RATE_LIMITED', message, { retryAfter: RETRY_AFTER });
  }

  #part(part: number): number {
    return Math.ceil(this.#room.all / part);
  }

  #of(account: string): number {
    return this.#open.get(account) ?? 0;
  }

  #add(account: string, more: number): void {
    const open = this.#of(account) + more;
    if (open > 0) this.#open.set(account, open);
    else this.#open.delete(account);
  }
}
