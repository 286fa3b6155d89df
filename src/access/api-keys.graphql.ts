import type { ApiKeyPlace, ApiKey as ApiKeyRow, NewSecret } from '../auth/api-keys.ts';
import { type Scope, scopes } from '../auth/viewer.ts';
import { administratorOf } from '../graphql/administrator-of.ts';
import type { Builder, EnumOf } from '../graphql/builder.ts';
import { pageOf, withItems } from '../graphql/items.ts';
import { inWords, pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, isKeyTime, keyCursor, parsePage } from '../graphql/paging.ts';
import { isUuid } from '../lib/uuid.ts';
import { defaultLimits } from '../limits.ts';

const { keyOverlapSeconds: overlap, keyUseMs } = defaultLimits;

const apiKeyCursor = keyCursor<ApiKeyPlace>(
  ({ createdAt, id }) => [createdAt.getTime(), id],
  ([time, id]) =>
    isKeyTime(time) && typeof id === 'string' && isUuid(id) ? { createdAt: new Date(time), id } : undefined,
);

type ScopeType = EnumOf<Scope>;

/** The API keys of this server: what they are, and how they begin and end. */
export function addApiKeys(builder: Builder, ApiKeyScope: ScopeType): void {
  const ApiKey = addApiKey(builder, ApiKeyScope);
  addApiKeyList(builder, ApiKey);
  const CreateApiKeyInput = addCreateApiKeyInput(builder, ApiKeyScope);
  const CreateApiKeyPayload = addNewSecret(builder, ApiKey, 'CreateApiKeyPayload', 'A new API key with its secret.');
  const RotateApiKeyInput = addRotateApiKeyInput(builder);
  const RotateApiKeyPayload = addNewSecret(builder, ApiKey, 'RotateApiKeyPayload', 'An API key with its new secret.');
  builder.mutationFields((t) => ({
    createApiKey: t.field({
      type: CreateApiKeyPayload,
      description: 'Makes an API key. Needs the scope `admin`.',
      args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'The key.' }) },
      authScopes: { admin: true },
      resolve: (_, { input }, { viewer, services: { keys } }) =>
        keys.create({ ...input, expiresAt: input.expiresAt ?? null }, administratorOf(viewer)),
    }),
    rotateApiKey: t.field({
      type: RotateApiKeyPayload,
      description:
        'Makes another secret for an API key. The one before stays good for a while, and then ends together with the streams that were opened with it. A key has two good secrets at most. Needs the scope `admin`.',
      args: { input: t.arg({ type: RotateApiKeyInput, required: true, description: 'Which key, and how.' }) },
      authScopes: { admin: true },
      resolve: (_, { input }, { viewer, services: { keys } }) => keys.rotate(input, administratorOf(viewer)),
    }),
    revokeApiKey: t.field({
      type: ApiKey,
      description: 'Ends an API key for good, and the streams that were opened with it. Needs the scope `admin`.',
      args: { id: t.arg.id({ required: true, description: 'Public id of the key.' }) },
      authScopes: { admin: true },
      resolve: (_, { id }, { viewer, services: { keys } }) => keys.revoke(id, administratorOf(viewer)),
    }),
  }));
}

function addApiKey(builder: Builder, ApiKeyScope: ScopeType) {
  return builder.objectRef<ApiKeyRow>('ApiKey').implement({
    description: 'A credential of a service, without its secret.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Public id of the key.' }),
      name: t.exposeString('name', { description: 'What the key is for.' }),
      prefix: t.exposeString('prefix', {
        nullable: true,
        description: 'How its secret begins; null for a secret that an earlier release has made.',
      }),
      scopes: t.field({
        type: [ApiKeyScope],
        ...withItems({ most: scopes.length }),
        description: 'What the key may do.',
        resolve: (key) => [...key.scopes],
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the key was made.' }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it ends; null for never.',
      }),
      previousSecretEndsAt: t.expose('previousEndsAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the secret before this one ends, or has ended; null for a key that was never rotated.',
      }),
      revokedAt: t.expose('revokedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it was revoked; null while it is good.',
      }),
      lastUsedAt: t.expose('lastUsedAt', {
        type: 'DateTime',
        nullable: true,
        description: `When it was last used, told up to ${keyUseMs / 1_000} seconds late; null for a key that was not used since the server writes it down. An open stream uses its key.`,
      }),
    }),
  });
}

type ApiKeyType = ReturnType<typeof addApiKey>;

function addApiKeyList(builder: Builder, ApiKey: ApiKeyType): void {
  const ApiKeyConnection = builder.connectionObject(
    { type: ApiKey, name: 'ApiKeyConnection', description: 'A page of API keys, oldest first.' },
    { name: 'ApiKeyEdge', description: 'An API key in a list.' },
  );
  builder.queryField('apiKeys', (t) =>
    t.field({
      type: ApiKeyConnection,
      ...pageOf(),
      description: `All API keys, oldest first, with those that are revoked or have expired. ${pageSizes(defaultLimits.pageSize)}. Needs the scope \`admin\`.`,
      args: t.arg.connectionArgs(),
      authScopes: { admin: true },
      resolve: (_, args, { limits, services: { keys } }) => {
        const page = parsePage(args, apiKeyCursor, { size: limits.defaultPageSize, maxSize: limits.pageSize });
        return fetchConnection(page, apiKeyCursor.encode, (wider) => keys.page(wider));
      },
    }),
  );
}

function addNewSecret(builder: Builder, ApiKey: ApiKeyType, name: string, description: string) {
  return builder.objectRef<NewSecret>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.expose('key', { type: ApiKey, description: 'The key.' }),
      secret: t.exposeString('secret', { description: 'The secret. It is shown this once and stored nowhere.' }),
    }),
  });
}

function addCreateApiKeyInput(builder: Builder, ApiKeyScope: ScopeType) {
  return builder.inputType('CreateApiKeyInput', {
    description: 'A new API key.',
    fields: (t) => ({
      name: t.string({
        required: true,
        description: `What the key is for, 1 to ${inWords(defaultLimits.apiKeyNameLength)} characters.`,
      }),
      scopes: t.field({ type: [ApiKeyScope], required: true, description: 'What it may do; at least one.' }),
      expiresAt: t.field({ type: 'DateTime', description: 'When it ends; never if not given.' }),
    }),
  });
}

function addRotateApiKeyInput(builder: Builder) {
  return builder.inputType('RotateApiKeyInput', {
    description: 'A new secret for an API key.',
    fields: (t) => ({
      id: t.id({ required: true, description: 'Public id of the key.' }),
      overlapSeconds: t.int({
        required: true,
        defaultValue: overlap.default,
        description: `For how long the secret before stays good, ${inWords(overlap.min)} to ${inWords(overlap.max)} seconds, but no longer than the key was to last. With 0 it ends at once.`,
      }),
      expiresAt: t.field({
        type: 'DateTime',
        description: 'When the key ends from now on; null for never. What it was, if left out.',
      }),
    }),
  });
}
