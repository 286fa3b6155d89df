import type { HttpInput } from '../input.ts';
import type { Target } from '../target.ts';
import { edgesOf, texts } from '../values.ts';

/** By route, its parameters with the kind of their values. */
const routes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'users/:id/sync/recent': {
    limit: 'Int',
    after: 'SyncCursor',
    provider: 'String',
    since: 'DateTime',
    source: 'String',
  },
  'users/:id/sync/runs': { limit: 'Int', status: 'String', until: 'DateTime', search: 'String' },
  'users/:id/sync/history': { limit: 'Int', offset: 'Int', provider: 'String' },
  'users/:id/sync/stream': { replay: 'Int', after: 'SyncCursor', access_token: 'String' },
  'sync/runs': { limit: 'Int', user_id: 'UUID', provider: 'String', status: 'String' },
};

/** Each parameter at its edges; each place of a path with ids that are none; each field of an event in turn. */
export function restInputs({ admin, userIds: [userId] }: Target): HttpInput[] {
  const named = { kind: 'parameters', door: 'REST', form: 'http', method: 'GET', headers: admin } as const;
  const inputs: HttpInput[] = [];
  for (const [route, parameters] of Object.entries(routes)) {
    const path = `/api/v1/${route.replace(':id', userId)}`;
    for (const [name, kind] of Object.entries(parameters))
      for (const value of edgesOf(kind)) {
        const text = encoded(typeof value === 'object' ? 'x' : String(value));
        inputs.push(
          { ...named, path: `${path}?${name}=${text}` },
          { ...named, path: `${path}?${name}=1&${name}=${text}` },
        );
      }
    if (route.includes(':id'))
      for (const id of edgesOf('UUID'))
        inputs.push({ ...named, path: `/api/v1/${route.replace(':id', encoded(String(id)))}` });
  }
  for (const text of texts) inputs.push({ ...named, path: `/api/v1/sync/history/${encoded(text)}` });
  return [...inputs, ...eventInputs(userId, admin)];
}

function eventInputs(userId: string, admin: Readonly<Record<string, string>>): HttpInput[] {
  const usual = { run_id: 'r', provider: 'oura', source: 'pull', stage: 'started', status: 'in_progress' };
  const kinds = {
    event_id: 'UUID',
    run_id: 'ID',
    provider: 'String',
    source: 'String',
    timestamp: 'DateTime',
    progress: 'Float',
  };
  const others = { items_total: 'Int', metadata: 'JSONObject', message: 'String', started_at: 'DateTime' };
  return Object.entries({ ...kinds, ...others }).flatMap(([name, kind]) =>
    edgesOf(kind).map(
      (value): HttpInput => ({
        ...{ kind: 'events', door: 'REST', form: 'http', method: 'POST', path: `/api/v1/users/${userId}/sync/events` },
        headers: { 'content-type': 'application/json', ...admin },
        body: JSON.stringify({ ...usual, [name]: value }),
      }),
    ),
  );
}

const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
