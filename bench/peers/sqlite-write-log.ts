import { type Draft, foldRuns, isFinished, numberDrafts, type WriteLog } from './write-log.ts';

/** SQLite with prepared statements, one row after another; a commit is on the disk before it is answered, as Synclog's. */
export async function openSqliteWriteLog(file: string): Promise<WriteLog> {
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  const head = database.prepare<[string], number>('SELECT head_sequence FROM "user" WHERE id = ?').pluck();
  const byId = database.prepare<[string], number>('SELECT sequence FROM sync_event WHERE id = ?').pluck();
  const raise = database.prepare('UPDATE "user" SET head_sequence = ? WHERE id = ?');
  const insert = database.prepare(
    `INSERT INTO sync_event (user_id, sequence, id, run_id, provider, source, stage, status, message, progress,
       items_processed, items_total, metadata, started_at, ended_at, timestamp, recorded_at, late)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
  );
  const upsert = database.prepare(
    `INSERT INTO sync_run (user_id, run_id, provider, source, stage, status, message, progress, items_processed,
       items_total, started_at, ended_at, last_event_at, last_sequence, event_count, finished, recorded_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (user_id, run_id) DO UPDATE SET provider = excluded.provider, source = excluded.source,
       stage = excluded.stage, status = excluded.status, message = excluded.message, progress = excluded.progress,
       items_processed = excluded.items_processed, items_total = excluded.items_total,
       started_at = coalesce(excluded.started_at, started_at), ended_at = coalesce(excluded.ended_at, ended_at),
       last_event_at = excluded.last_event_at, last_sequence = excluded.last_sequence,
       event_count = event_count + excluded.event_count, finished = excluded.finished, recorded_at = excluded.recorded_at`,
  );
  const time = (text: string | null | undefined) => (text == null ? null : Date.parse(text));
  const write = database.transaction((drafts: readonly Draft[]) => {
    const heads = new Map<string, number>();
    const known = new Map<string, number>();
    for (const { userId, id } of drafts) {
      if (!heads.has(userId)) heads.set(userId, head.get(userId) ?? Number.NaN);
      const sequence = byId.get(id);
      if (sequence !== undefined) known.set(id, sequence);
    }
    const { results, added } = numberDrafts(drafts, existing(heads), known);
    const now = Date.now();
    for (const { draft, sequence } of added)
      insert.run(
        ...[draft.userId, sequence, draft.id, draft.runId, draft.provider, draft.source, draft.stage, draft.status],
        ...[draft.message ?? null, draft.progress ?? null, draft.itemsProcessed ?? null, draft.itemsTotal ?? null],
        ...[
          JSON.stringify(draft.metadata ?? {}),
          time(draft.startedAt),
          time(draft.endedAt),
          time(draft.timestamp),
          now,
        ],
      );
    for (const { newest, events, startedAt, endedAt } of foldRuns(added)) {
      const { draft, sequence } = newest;
      upsert.run(
        ...[draft.userId, draft.runId, draft.provider, draft.source, draft.stage, draft.status, draft.message ?? null],
        ...[
          draft.progress ?? null,
          draft.itemsProcessed ?? null,
          draft.itemsTotal ?? null,
          time(startedAt),
          time(endedAt),
        ],
        ...[time(draft.timestamp), sequence, events, isFinished(draft.status) ? 1 : 0, now],
      );
    }
    if (added.length > 0) for (const [userId, sequence] of heads) raise.run(sequence, userId);
    return results;
  });
  return { write: (drafts) => write.immediate(drafts) };
}

/** Removes who was not found, in place. */
function existing(heads: Map<string, number>): Map<string, number> {
  for (const [userId, head] of heads) if (Number.isNaN(head)) heads.delete(userId);
  return heads;
}
