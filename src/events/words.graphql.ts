import { badInput } from '../errors.ts';
import type { Builder, ObjectOf } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import type { EventDraft } from '../log/event.ts';
import type { EventProblem } from '../log/record/check-event.ts';
import {
  type ScopeWord,
  type SourceWord,
  type StageWord,
  type StatusWord,
  scopeWords,
  sourceWords,
  stageWords,
  statusWords,
  wordOf,
} from '../log/words.ts';

/** The enum value of every word that this server does not know; no wire word is spelled like it. */
const UNRECOGNIZED = 'unrecognized';

const sourceDescriptions: Record<SourceWord, string> = {
  pull: 'Fetched from the provider, on schedule or by hand.',
  webhook: 'Pushed by the provider.',
  sdk: 'Uploaded by the mobile SDK.',
  backfill: 'History fetched in bulk.',
  xml_import: 'Read from an exported file.',
  linked_account: 'Brought by the sync of another user who shares the provider account.',
};

const stageDescriptions: Record<StageWord, string> = {
  queued: 'Waiting to start.',
  started: 'Begun.',
  fetching: 'Getting data from the provider.',
  processing: 'Working on the data.',
  saving: 'Storing the data.',
  completed: 'Ended by itself; the status says how well.',
  failed: 'Ended by an error.',
  cancelled: 'Ended by somebody.',
};

const statusDescriptions: Record<StatusWord, string> = {
  in_progress: 'Not finished.',
  success: 'Finished, everything done.',
  partial: 'Finished, some of it failed.',
  failed: 'Finished, all of it failed.',
  cancelled: 'Stopped before it was done.',
  skipped: 'Finished, there was nothing to do.',
  unfinished: 'Reported by the producer as never finished.',
  stale: 'Reported by the producer as silent for too long.',
};

const scopeDescriptions: Record<ScopeWord, string> = {
  historical: 'Back-fill of history.',
  live: 'Current data. It is also meant where a producer names no scope.',
};

/** The enum value of a word that the log keeps: the one of `words` that is meant by it. */
export function enumValueOf<Word extends string>(words: readonly Word[], raw: string): Word | typeof UNRECOGNIZED {
  const word = wordOf(raw);
  return words.find((one) => one === word) ?? UNRECOGNIZED;
}

/** @throws AppError BAD_USER_INPUT if the value that only answers may hold is among the input. */
export function refuseUnrecognized(
  words: readonly (string | null | undefined)[],
  path: readonly (string | number)[],
): void {
  if (words.includes(UNRECOGNIZED)) throw badInput(`${path.join('.')}: UNRECOGNIZED is for output only`, path);
}

/** Fields of an event that hold words. */
const wordFields = ['source', 'stage', 'status', 'scope'] as const;

/** The fields of an event that hold the value that only answers may hold. */
export function findUnrecognized(event: Partial<Pick<EventDraft, (typeof wordFields)[number]>>): EventProblem[] {
  return wordFields
    .filter((field) => event[field] === UNRECOGNIZED)
    .map((field) => ({ field, message: 'UNRECOGNIZED is for output only' }));
}

/** The enums of the wire format's words. */
export function addWords(builder: Builder) {
  const wordEnum = <Word extends string>(name: string, description: string, descriptions: Record<Word, string>) =>
    addEnum<Word | typeof UNRECOGNIZED>(builder, name, description, {
      [UNRECOGNIZED]: 'A word that this server does not know; output only.',
      ...descriptions,
    });
  return {
    SyncSource: wordEnum('SyncSource', 'How the data of a run came in.', sourceDescriptions),
    SyncStage: wordEnum('SyncStage', 'What a run is doing.', stageDescriptions),
    SyncStatus: wordEnum('SyncStatus', 'How a run stands.', statusDescriptions),
    SyncScope: wordEnum('SyncScope', 'What a run is about.', scopeDescriptions),
  };
}

/** What events and runs have in common: their words, as enum values and as the producer wrote them. */
export function addWordFields(
  builder: Builder,
  type: ObjectOf<{
    readonly source: string;
    readonly stage: string;
    readonly status: string;
    readonly scope: string | null;
  }>,
  { SyncSource, SyncStage, SyncStatus, SyncScope }: WordTypes,
  descriptionOfScope: string,
): void {
  builder.objectFields(type, (t) => ({
    source: t.field({
      type: SyncSource,
      description: 'How the data came in.',
      resolve: ({ source }) => enumValueOf(sourceWords, source),
    }),
    stage: t.field({
      type: SyncStage,
      description: 'What the run is doing.',
      resolve: ({ stage }) => enumValueOf(stageWords, stage),
    }),
    status: t.field({
      type: SyncStatus,
      description: 'How the run stands.',
      resolve: ({ status }) => enumValueOf(statusWords, status),
    }),
    scope: t.field({
      type: SyncScope,
      nullable: true,
      description: descriptionOfScope,
      resolve: ({ scope }) => (scope === null ? null : enumValueOf(scopeWords, scope)),
    }),
    scopeRaw: t.exposeString('scope', { nullable: true, description: 'The scope as the producer wrote it.' }),
    sourceRaw: t.exposeString('source', { description: 'The source as the producer wrote it.' }),
    stageRaw: t.exposeString('stage', { description: 'The stage as the producer wrote it.' }),
    statusRaw: t.exposeString('status', { description: 'The status as the producer wrote it.' }),
  }));
}

export type WordTypes = ReturnType<typeof addWords>;
