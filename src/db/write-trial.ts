import { randomBytes } from 'node:crypto';
import type { Database } from './database.ts';

/** As much as a group of recordings may well need. It does not compress. */
const TRIAL_CHARACTERS = 65_536;
/** No source has this name, so that nobody is shown the row. */
const NO_SOURCE = '';
const FINGERPRINT = 'trial';

/**
 * Writes a row, commits it and removes it again: only room that was taken shows that there is room.
 * @throws whatever keeps the database from writing
 */
export async function tryWriting(database: Database): Promise<void> {
  await database.checkWrites();
  const payload = randomBytes(TRIAL_CHARACTERS / 2).toString('hex');
  await database.transaction(async (transaction) => {
    await transaction.quarantinedEntry.deleteMany({ where: { fingerprint: FINGERPRINT } });
    await transaction.quarantinedEntry.create({
      data: {
        ...{ fingerprint: FINGERPRINT, source: NO_SOURCE, reason: 'not_stored', detail: '', place: '' },
        ...{ payload, payloadBytes: TRIAL_CHARACTERS, firstSeenAt: new Date(0) },
      },
    });
  });
  await database.transaction((transaction) =>
    transaction.quarantinedEntry.deleteMany({ where: { fingerprint: FINGERPRINT } }),
  );
}
