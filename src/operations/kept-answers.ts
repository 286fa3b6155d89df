import DataLoader from 'dataloader';
import type { Viewer } from '../auth/viewer.ts';
import type { Batch } from '../graphql/batch.ts';
import { asText, type Basis, type Root } from '../graphql/reads.ts';
import { BatchTurns } from '../lib/batch-turns.ts';
import type { Services } from '../services.ts';

/** An answer as it was sent, to be sent again as long as it holds. */
export interface KeptAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** What was asked for, as counts name it. */
  readonly operation: string;
}

interface Entry extends KeptAnswer {
  readonly key: string;
  readonly basis: Basis;
  readonly bytes: number;
}

/** What an entry takes beside its texts, about, in bytes. */
const BYTES_OF_ENTRY = 500;
/** What a root takes beside its texts, about, in bytes. */
const BYTES_OF_ROOT = 300;

/**
 * Answers that were given before. What an answer rests on is asked again each time, for many requests in one statement, and an answer is given again only if everything is as it was. So it is never older than
 * what the request would have read itself, whoever has written meanwhile, through this process or another.
 *
 * The least recently used go when all together take more than `keptAnswerBytes`. Nothing is kept for who shows no
 * credential: such a viewer is told nothing that costs anything, and could push out what others are told.
 */
export class KeptAnswers {
  readonly #services: Services;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #askers = new Map<unknown, DataLoader<unknown, string, string>>();
  readonly #stopListening: () => void;
  #bytes = 0;
  #era = 0;

  constructor(services: Services) {
    this.#services = services;
    // A user may be made anew within the millisecond of the first one's making, with as many events: the rows are alike.
    this.#stopListening = services.log.wakeUps.listen(({ kind }) => {
      if (kind === 'deleted') this.#clear();
    });
  }

  /** The answer to this request of this viewer, if it still holds. @throws whatever the database does */
  async find(viewer: Viewer, request: string): Promise<KeptAnswer | undefined> {
    const key = keyOf(viewer, request);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const era = this.#era;
    const said = await Promise.all(entry.basis.map((root) => this.#ask(root)));
    if (era !== this.#era) return undefined;
    const holds = said.every((text, index) => text === entry.basis[index]?.said);
    const isCurrent = this.#entries.get(key) === entry;
    if (isCurrent) this.#remove(entry);
    if (!holds) return undefined;
    if (isCurrent) this.#add(entry);
    return entry;
  }

  /** @param era the one in which the making of the answer began */
  keep(viewer: Viewer, request: string, answer: KeptAnswer, basis: Basis, era: number): void {
    if (era !== this.#era || viewer.kind === 'anonymous') return;
    const key = keyOf(viewer, request);
    const known = this.#entries.get(key);
    if (known) this.#remove(known);
    const roots = basis.reduce((sum, { said }) => sum + BYTES_OF_ROOT + said.length, 0);
    const bytes = BYTES_OF_ENTRY + 2 * key.length + answer.body.byteLength + roots;
    if (bytes > this.#services.limits.keptAnswerBytes) return;
    this.#add({ ...answer, body: inOwnMemory(answer.body), key, basis, bytes });
  }

  /** It ends when everything is forgotten: what was begun before is not kept after. */
  get era(): number {
    return this.#era;
  }

  /** What all answers take, in bytes, about. */
  get bytes(): number {
    return this.#bytes;
  }

  close(): void {
    this.#stopListening();
    this.#clear();
  }

  /** Asks together with everything else that is asked until the last questions are answered. */
  #ask({ batch, key }: Root): Promise<string> {
    const asker = this.#askers.get(batch) ?? this.#createAsker(batch);
    this.#askers.set(batch, asker);
    return asker.load(key);
  }

  #createAsker(batch: Batch<unknown, unknown>): DataLoader<unknown, string, string> {
    const turns = new BatchTurns();
    const asker: DataLoader<unknown, string, string> = new DataLoader(
      (keys) => {
        asker.clearAll(); // from now on a question is a new one: what is about to be read may be old by then
        return turns.run(async () => (await batch.find(keys, this.#services)).map(asText));
      },
      { cacheKeyFn: batch.keyOf, batchScheduleFn: turns.schedule },
    );
    return asker;
  }

  #add(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries.values()) {
      if (this.#bytes <= this.#services.limits.keptAnswerBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes;
  }

  #clear(): void {
    this.#era += 1;
    this.#entries.clear();
    this.#bytes = 0;
  }
}

/** The same bytes. A small buffer is a part of a larger one, all of which stays as long as it does. */
function inOwnMemory(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(own);
  return own;
}

/** The request together with everything that is known of the viewer: nobody is given the answer of somebody else. */
function keyOf(viewer: Viewer, request: string): string {
  const seen = 'scopes' in viewer ? { ...viewer, scopes: [...viewer.scopes] } : viewer;
  return `${JSON.stringify(seen)}\n${request}`;
}
