import { Pool } from 'undici';
import { userId } from '../data/fill.ts';
import type { MeasuredServer } from '../measure/server-process.ts';
import { draftsOf, recordingShot } from '../parts/recordings.ts';
import type { Draft } from '../peers/write-log.ts';

/** Something new that is not sent yet. */
interface News {
  /** The message to followers holds it, and no other message. */
  readonly text: string;
  /** @throws when the server refuses it */
  send(): Promise<void>;
}

/** Makes a server tell the followers of a user something new. */
export interface Publisher {
  newsOf(user: number): News;
  close(): Promise<void>;
}

/** A new event of a user. */
function draftFor(user: number): Draft {
  const [draft] = draftsOf(1, 1);
  if (!draft) throw new Error('There is no draft');
  return { ...draft, userId: userId(user) };
}

/** Each recording is a request of its own. @param connections how many may be under way at once */
export function synclogPublisher({ url }: MeasuredServer, apiKey: string, connections = 1): Publisher {
  return publisher(url, (draft) => recordingShot([draft], apiKey), connections);
}

export function stockPublisher({ url }: MeasuredServer): Publisher {
  return publisher(url, (draft) => ({ method: 'POST', path: '/publish', body: JSON.stringify(draft) }));
}

/** @param like a message of Synclog's, so that what is sent is as long */
export function rawPublisher({ url }: MeasuredServer, like: string, connections = 1): Publisher {
  const requestOf = (draft: Draft): Request => ({
    method: 'POST',
    path: `/${draft.userId}`,
    body: like.replace(/"id":"[-0-9a-f]{36}"/, `"id":"${draft.id}"`),
  });
  return publisher(url, requestOf, connections);
}

type Request = Parameters<Pool['request']>[0];

function publisher(url: string, requestOf: (draft: Draft) => Request, connections = 1): Publisher {
  const pool = new Pool(url, { connections });
  return {
    newsOf(user) {
      const draft = draftFor(user);
      return {
        text: draft.id,
        async send() {
          const { statusCode, body } = await pool.request(requestOf(draft));
          const answer = await body.text();
          if (statusCode !== 200 || answer.startsWith('{"errors"'))
            throw new Error(`${url} answers ${statusCode}: ${answer}`);
        },
      };
    },
    close: () => pool.destroy(),
  };
}
