import { type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import Libsql from 'libsql';
import { pause } from '../lib/pause.ts';

/** How often the file is looked for while nothing is written. */
const LOOK_MS = 1_000;

/** How long the last checkpoint may wait for another process: in all, and at a time within the driver. */
const CHECKPOINT_PATIENCE_MS = 1_000;
const BUSY_TIMEOUT_MS = 10;

/** The file of the database is not the one that was opened, or its name does not lead to it any more. */
class FileGoneError extends Error {
  readonly code = 'FILE_GONE';
}

/**
 * Watches that the files of a SQLite database stay where they were opened. A process keeps a file that is deleted, and could
 * go on for good recording what nobody else will ever see. A look costs some microseconds.
 */
export class SqlitePresence {
  readonly #path: string;
  /** Undefined where it is the path itself. */
  readonly #name: string | undefined;
  readonly #file: Stats;
  /** As long as one connection is open, the log beside the file stays the same one. */
  readonly #anchor: Libsql.Database;
  #log: Stats | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param path of a file that writes ahead, without any symbolic link
   * @param name by which every other process knows the file
   */
  constructor(path: string, name: string) {
    this.#path = path;
    this.#name = resolve(name) === path ? undefined : resolve(name);
    this.#file = statSync(path);
    this.#anchor = new Libsql(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      this.#anchor.exec('PRAGMA query_only = ON');
      this.#anchor.prepare('SELECT count(*) FROM sqlite_schema').all();
    } catch (error) {
      this.#anchor.close(); // whoever meets a busy file tries again
      throw error;
    }
  }

  /** Looks every second. @param told of each look: nothing, or what is wrong */
  start(told: (error?: unknown) => void): void {
    this.#timer = setInterval(() => {
      try {
        this.check();
        told();
      } catch (error) {
        told(error);
      }
    }, LOOK_MS).unref();
  }

  /**
   * Moves what is in the log into the file, so that the one file is the database, and ends. It is for the end: connections
   * that were closed before leave the log behind, as the driver keeps statements open. What cannot be moved, for another
   * process or a full disk, stays in the log, where the next start finds it.
   */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const begunAt = performance.now();
    try {
      while (!this.#moveLog() && performance.now() - begunAt < CHECKPOINT_PATIENCE_MS) await pause(BUSY_TIMEOUT_MS);
    } catch {
      // Nothing is lost by it.
    }
    this.#anchor.close();
  }

  /** @returns false if another process reads or writes meanwhile */
  #moveLog(): boolean {
    const [row] = this.#anchor.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all() as { busy: number }[];
    return row?.busy === 0;
  }

  /** Before a read: looks if the last look is a second ago. @throws FileGoneError */
  checkNowAndThen(): void {
    if (performance.now() - this.#lookedAt >= LOOK_MS) this.check();
  }

  /** Before and after what is written: what is acknowledged is in the file. @throws FileGoneError */
  check(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY; // as long as something is wrong, every read looks
    const [file, log] = [look(this.#path), look(`${this.#path}-wal`)];
    this.#log ??= log;
    if (!file) throw new FileGoneError('the file of the database was deleted');
    if (isOther(file, this.#file))
      throw new FileGoneError('the file of the database was replaced; start again to use it');
    if (file.size === 0) throw new FileGoneError('the file of the database was emptied');
    if (this.#name !== undefined) this.#checkName(this.#name);
    if (this.#log && !log) throw new FileGoneError('the -wal file of the database was deleted; start again');
    if (this.#log && log && isOther(log, this.#log))
      throw new FileGoneError('the -wal file of the database was replaced; start again');
    this.#lookedAt = performance.now();
  }

  /** What the next process to start would open. */
  #checkName(name: string): void {
    const found = look(name);
    if (!found) throw new FileGoneError('the name of the database was removed, and its file is still there');
    if (isOther(found, this.#file))
      throw new FileGoneError('the name of the database leads to another file; start again to use it');
  }
}

const look = (path: string) => statSync(path, { throwIfNoEntry: false });

const isOther = (a: Stats, b: Stats) => a.ino !== b.ino || a.dev !== b.dev;
