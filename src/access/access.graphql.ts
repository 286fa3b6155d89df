import type { ApiKey as ApiKeyRow } from '../auth/api-keys.ts';
import { type Scope, scopes, type Viewer } from '../auth/viewer.ts';
import { noSuchUser } from '../errors.ts';
import type { Builder, EnumOf } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import { withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import { findVisibleUser, mayAwaitUser } from '../users/users.graphql.ts';
import { describeViewer, type ViewerDescription } from './describe-viewer.ts';

const { userTokenSeconds: tokenSeconds } = defaultLimits;

const scopeDescriptions: Record<Scope, string> = {
  read: 'Query and subscribe; make user tokens.',
  write: 'Record events; make and change users.',
  admin: 'Delete users; make and revoke API keys.',
};

const kindDescriptions: Record<Viewer['kind'], string> = {
  service: 'An API key.',
  developer: 'A bearer token of a member of staff or a backend.',
  user: 'A bearer token for one user, who sees only their own log.',
  anonymous: 'None.',
};

const everyScope = withItems({ most: scopes.length });

/** Who is asking, and the credentials that the server gives out. */
export function addAccess(builder: Builder): void {
  const ApiKeyScope = addEnum(builder, 'ApiKeyScope', 'What a credential may do.', scopeDescriptions);
  addViewer(builder, ApiKeyScope);
  addApiKeys(builder, ApiKeyScope);
  addUserTokens(builder);
}

type ScopeType = EnumOf<Scope>;

function addViewer(builder: Builder, ApiKeyScope: ScopeType): void {
  const ViewerKind = addEnum(builder, 'ViewerKind', 'What kind of credential was sent.', kindDescriptions);
  const ViewerType = builder.objectRef<ViewerDescription>('Viewer').implement({
    description: 'Who is asking.',
    fields: (t) => ({
      kind: t.expose('kind', { type: ViewerKind, description: 'What kind of credential was sent.' }),
      name: t.exposeString('name', {
        nullable: true,
        description: 'Name of the API key, or subject of the token; null without a credential.',
      }),
      userId: t.expose('userId', {
        type: 'UUID',
        nullable: true,
        description: 'The one user that a user token is for.',
      }),
      scopes: t.expose('scopes', { type: [ApiKeyScope], ...everyScope, description: 'What the credential may do.' }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When the credential ends; null for never.',
      }),
      mayAwaitUser: t.boolean({
        description:
          'May you wait for the user with this id, if there is none yet? True where a source brings users with their first event, for each id that you may see, of a user or not. Then `syncEvents` waits for that event, and lists of REST are empty, instead of `NOT_FOUND`.',
        args: { id: t.arg({ type: 'UUID', required: true, description: 'The id of the user.' }) },
        resolve: (_, { id }, context) => mayAwaitUser(id, context),
      }),
    }),
  });
  builder.queryField('viewer', (t) =>
    t.field({
      type: ViewerType,
      description: 'Who you are to this server. Needs no credential.',
      authScopes: { public: true },
      resolve: (_, __, { viewer }) => describeViewer(viewer),
    }),
  );
}

function addApiKeys(builder: Builder, ApiKeyScope: ScopeType): void {
  const ApiKey = addApiKey(builder, ApiKeyScope);
  const CreateApiKeyInput = addCreateApiKeyInput(builder, ApiKeyScope);
  const CreateApiKeyPayload = builder.objectRef<{ key: ApiKeyRow; secret: string }>('CreateApiKeyPayload').implement({
    description: 'A new API key with its secret.',
    fields: (t) => ({
      apiKey: t.expose('key', { type: ApiKey, description: 'The key.' }),
      secret: t.exposeString('secret', { description: 'The secret. It is shown this once and stored nowhere.' }),
    }),
  });
  builder.mutationFields((t) => ({
    createApiKey: t.field({
      type: CreateApiKeyPayload,
      description: 'Makes an API key. Needs the scope `admin`.',
      args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'The key.' }) },
      authScopes: { admin: true },
      resolve: (_, { input }, { services: { keys } }) => keys.create({ ...input, expiresAt: input.expiresAt ?? null }),
    }),
    revokeApiKey: t.field({
      type: ApiKey,
      description: 'Ends an API key for good, and the streams that were opened with it. Needs the scope `admin`.',
      args: { id: t.arg.id({ required: true, description: 'Public id of the key.' }) },
      authScopes: { admin: true },
      resolve: (_, { id }, { services: { keys } }) => keys.revoke(id),
    }),
  }));
}

function addApiKey(builder: Builder, ApiKeyScope: ScopeType) {
  return builder.objectRef<ApiKeyRow>('ApiKey').implement({
    description: 'A credential of a service, without its secret.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Public id of the key.' }),
      name: t.exposeString('name', { description: 'What the key is for.' }),
      scopes: t.field({
        type: [ApiKeyScope],
        ...everyScope,
        description: 'What the key may do.',
        resolve: (key) => [...key.scopes],
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the key was made.' }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it ends; null for never.',
      }),
      revokedAt: t.expose('revokedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it was revoked; null while it is good.',
      }),
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

function addUserTokens(builder: Builder): void {
  const UserToken = builder.objectRef<{ token: string; expiresAt: Date }>('UserToken').implement({
    description: 'A short-lived bearer token with which one user reads their own log.',
    fields: (t) => ({
      token: t.exposeString('token', { description: 'The token, for `Authorization: Bearer`.' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends.' }),
    }),
  });

  builder.mutationFields((t) => ({
    createUserToken: t.field({
      type: UserToken,
      description: 'Makes a token for one user. Needs the scope `read`; a user token cannot make another.',
      args: {
        userId: t.arg({ type: 'UUID', required: true, description: 'Whose log the token opens.' }),
        expiresInSeconds: t.arg.int({
          required: true,
          defaultValue: tokenSeconds.default,
          description: `Its life, ${inWords(tokenSeconds.min)} to ${inWords(tokenSeconds.max)} seconds.`,
        }),
      },
      authScopes: { delegate: true },
      resolve: async (_, { userId, expiresInSeconds }, context) => {
        if (!(await findVisibleUser(userId, context)) && !mayAwaitUser(userId, context)) throw noSuchUser(userId);
        return context.services.tokens.mintUserToken({ userId, expiresInSeconds });
      },
    }),
  }));
}
