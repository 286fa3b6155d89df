import { hash } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { Outage } from '../lib/outages.ts';
import type { Limits } from '../limits.ts';
import type { AskAboutKey } from './ask-open-wearables.ts';
import type { ServiceViewer, Viewer } from './viewer.ts';

/** What can be a key of theirs, and stand in a header. Anything else is a stray text and nobody's business. */
const keyForm = /^sk-[\x21-\x7e]+$/;

/** After a failure so long passes before the same key is asked about again, in milliseconds: as clients are told to wait. */
const PAUSE_MS = 1_000;

/** Times by `performance.now()`: a clock that is set back prolongs nothing. */
interface Acceptance {
  /** Until when the answer counts. */
  readonly until: number;
  /** When the key may be asked about again. */
  readonly askAgainAt: number;
}

interface OpenWearablesKeysParts {
  readonly ask: AskAboutKey;
  /** Told when Open Wearables cannot be asked, and when it can again. */
  readonly outage: Outage;
  readonly limits: Pick<
    Limits,
    | 'openWearablesKeyMs'
    | 'openWearablesRefusalMs'
    | 'openWearablesKeys'
    | 'openWearablesRefusals'
    | 'openWearablesQuestions'
  >;
}

/**
 * The API keys of an Open Wearables installation, which alone knows them. Its answers are remembered for a while by the
 * SHA-256 of the key. A key itself is kept by nothing but the viewer that it has made, for as long as there is one: a
 * stream's key is asked about again.
 *
 * Questions about a key that was never accepted are bounded, so that whoever sends made-up keys burdens Open Wearables no
 * more than that; those about accepted keys, of which there are as many as Open Wearables has, are not held up by them.
 */
export class OpenWearablesKeys {
  readonly #ask: AskAboutKey;
  readonly #outage: Outage;
  readonly #limits: OpenWearablesKeysParts['limits'];
  /** By hash, the least recently asked first. One whose time is over has still been a good key. */
  readonly #accepted = new Map<string, Acceptance>();
  /** Until when a refusal counts, by hash, the oldest first. */
  readonly #refused = new Map<string, number>();
  /** Questions under way, by hash. */
  readonly #questions = new Map<string, Promise<boolean>>();
  readonly #secrets = new WeakMap<Viewer, string>();
  /** How many questions about unknown keys may be asked now, as it was at a time. */
  #allowance: { readonly questions: number; readonly at: number };

  constructor({ ask, outage, limits }: OpenWearablesKeysParts) {
    this.#ask = ask;
    this.#outage = outage;
    this.#limits = limits;
    this.#allowance = { questions: limits.openWearablesQuestions, at: performance.now() };
  }

  /**
   * The service that this key belongs to, which may read; null for a key that Open Wearables refuses.
   * @throws AppError `UNAVAILABLE` when Open Wearables cannot be asked, or has been asked too often about unknown keys
   */
  async verify(secret: string): Promise<ServiceViewer | null> {
    if (!keyForm.test(secret)) return null;
    const key = hash('sha256', secret);
    if (!(await this.#isGood(key, secret))) return null;
    const viewer: ServiceViewer = {
      kind: 'service',
      keyId: publicIdOf(key),
      name: 'API key of Open Wearables',
      scopes: new Set(['read']),
      expiresAt: null,
    };
    this.#secrets.set(viewer, secret);
    return viewer;
  }

  /** Is this the viewer of a key that was verified here? */
  made(viewer: Viewer): boolean {
    return this.#secrets.has(viewer);
  }

  /**
   * Whether Open Wearables refuses by now the key of a viewer that was made here. As long as it cannot be asked, the key
   * counts as good. Never rejects.
   */
  async isRevoked(viewer: Viewer): Promise<boolean> {
    const secret = this.#secrets.get(viewer);
    if (secret === undefined) return false;
    return this.#isGood(hash('sha256', secret), secret, { isOfStream: true }).then(
      (isGood) => !isGood,
      () => false,
    );
  }

  async #isGood(key: string, secret: string, { isOfStream = false } = {}): Promise<boolean> {
    const now = performance.now();
    const acceptance = this.#accepted.get(key);
    if (acceptance && now < acceptance.until) return true;
    if (now < (this.#refused.get(key) ?? 0)) return false;
    const question = this.#questions.get(key);
    if (question !== undefined) return question;
    if (acceptance ? now < acceptance.askAgainAt : !isOfStream && !this.#mayAsk(now)) throw cannotBeAsked();
    return this.#question(key, secret, now);
  }

  #question(key: string, secret: string, now: number): Promise<boolean> {
    const question = this.#answer(key, secret, now).finally(() => this.#questions.delete(key));
    this.#questions.set(key, question);
    return question;
  }

  /** @param now an answer counts from when it was asked for: a key may be revoked while it is on its way */
  async #answer(key: string, secret: string, now: number): Promise<boolean> {
    const { openWearablesKeyMs, openWearablesRefusalMs, openWearablesKeys, openWearablesRefusals } = this.#limits;
    try {
      const isGood = await this.#ask(secret);
      this.#outage.works();
      this.#accepted.delete(key);
      this.#refused.delete(key);
      if (isGood) keep(this.#accepted, key, { until: now + openWearablesKeyMs, askAgainAt: 0 }, openWearablesKeys);
      else keep(this.#refused, key, now + openWearablesRefusalMs, openWearablesRefusals);
      return isGood;
    } catch (error) {
      this.#outage.failed(error);
      if (this.#accepted.has(key)) this.#accepted.set(key, { until: 0, askAgainAt: performance.now() + PAUSE_MS });
      throw cannotBeAsked();
    }
  }

  /** Takes one of so many questions a second, which may come all at once. */
  #mayAsk(now: number): boolean {
    const { openWearablesQuestions } = this.#limits;
    const { questions, at } = this.#allowance;
    const allowed = Math.min(openWearablesQuestions, questions + ((now - at) / 1000) * openWearablesQuestions);
    this.#allowance = { questions: allowed < 1 ? allowed : allowed - 1, at: now };
    return allowed >= 1;
  }
}

/** Adds an entry as the newest one; the oldest go beyond `most`. */
function keep<T>(entries: Map<string, T>, key: string, value: T, most: number): void {
  entries.set(key, value);
  for (const oldest of entries.keys()) {
    if (entries.size <= most) break;
    entries.delete(oldest);
  }
}

/** The same in every process. A hash of the hash, as Open Wearables may know keys by theirs. */
function publicIdOf(key: string): string {
  return hash('sha256', key).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}

function cannotBeAsked(): AppError {
  return new AppError('UNAVAILABLE', 'Open Wearables cannot be asked about this API key now; try again later');
}
