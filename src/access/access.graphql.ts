import { type Scope, scopes, type Viewer } from '../auth/viewer.ts';
import { noSuchUser } from '../errors.ts';
import { administratorOf } from '../graphql/administrator-of.ts';
import type { Builder, EnumOf } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import { withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import { findVisibleUser, mayAwaitUser } from '../users/users.graphql.ts';
import { addApiKeys } from './api-keys.graphql.ts';
import { describeViewer, type ViewerDescription } from './describe-viewer.ts';

const { userTokenSeconds: tokenSeconds } = defaultLimits;

const scopeDescriptions: Record<Scope, string> = {
  read: 'Query and subscribe; make user tokens.',
  write: 'Record events; make and change users.',
  admin: 'Delete users; list, make, rotate and revoke API keys.',
  metrics: 'Read how the server is, at `/metrics` and in the detail of `/readyz`.',
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
        const { tokens, actCounts } = context.services;
        const token = await tokens.mintUserToken({ userId, expiresInSeconds });
        actCounts.add('user_tokens_made', administratorOf(context.viewer));
        return token;
      },
    }),
  }));
}
