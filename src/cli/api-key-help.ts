import { scopes } from '../auth/viewer.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';

const { credentialPollMs, keyOverlapSeconds, keyUseMs } = defaultLimits;

/** What `npm run api-key` can do. */
export const apiKeyHelp = `Makes, lists, rotates and revokes API keys in the database that DATABASE_URL names.

  npm run api-key -- create --name NAME --scopes SCOPES [--expires-at TIME]
      Makes a key. Its secret is the last line of the output, and is shown this once.
      SCOPES  ${scopes.join(', ')}: one or more, with commas between
      TIME    ISO 8601, with a time zone or as a date alone (UTC), such as 2030-01-31
  npm run api-key -- list
      Shows all keys, never a secret: of that only how it begins, and when it was used last, some ${keyUseMs / 1_000} seconds late.
  npm run api-key -- rotate ID [--overlap-seconds SECONDS] [--expires-at TIME]
      Makes another secret for a key, which is the last line of the output. The secret before stays good meanwhile.
      SECONDS ${inWords(keyOverlapSeconds.min)} to ${inWords(keyOverlapSeconds.max)}, ${inWords(keyOverlapSeconds.default)} if not given; with 0 the secret before ends at once
      TIME    when the key ends from now on; as before if not given
  npm run api-key -- revoke ID
      Ends a key for good. Open streams of a running server end within ${credentialPollMs / 1_000} seconds.
  npm run api-key -- --help
      Shows this text.

Exit status: 0 done, 1 no such key or a failure, 2 a mistake in the command line or the settings.`;
