import { maySeeUser, visibility } from '../auth/permissions.ts';
import { isStorable } from '../db/columns.ts';
import type { User } from '../db/rows.ts';
import { badInput, noSuchUser } from '../errors.ts';
import { administratorOf } from '../graphql/administrator-of.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { pageOf } from '../graphql/items.ts';
import { inWords, pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, isKeyTime, keyCursor, parsePage } from '../graphql/paging.ts';
import { isUuid } from '../lib/uuid.ts';
import { defaultLimits } from '../limits.ts';
import type { ErasureReceipt } from './erase-user.ts';
import { addErasureReceipt } from './erasure-receipt.graphql.ts';
import type { UserKey, UserPageRequest } from './users.ts';

const usersById: Batch<string, User | null> = {
  keyOf: (id) => id,
  restsOn: { users: (user) => (user ? [user.id] : []) },
  async find(ids, { users }) {
    const found = new Map((await users.byIds(ids)).map((user) => [user.id, user]));
    return ids.map((id) => found.get(id) ?? null);
  },
};

const userPages: Batch<UserPageRequest, readonly User[]> = {
  keyOf: JSON.stringify,
  restsOn: { users: (page) => page.map(({ id }) => id) },
  find: (requests, { users }) => Promise.all(requests.map((each) => users.list(each))),
};

const userCursor = keyCursor<UserKey>(
  ({ createdAt, id }) => [createdAt.getTime(), id],
  ([time, id]) =>
    isKeyTime(time) && typeof id === 'string' && isUuid(id) ? { createdAt: new Date(time), id } : undefined,
);

/** The user, if there is one and the viewer may know. */
export async function findVisibleUser(id: string, { viewer, load }: Context): Promise<User | null> {
  return maySeeUser(viewer, id) ? load(usersById, id) : null;
}

/**
 * May the viewer wait for a user who is not there? That tells nothing: whoever may, sees all users anyway or has given the
 * own id, and what is shown of a user who is not there is the same for every id.
 */
export function mayAwaitUser(id: string, { viewer, services: { log } }: Context): boolean {
  return log.awaitsUsers && maySeeUser(viewer, id);
}

/** The owner of something that was read, who can be missing only if deleted just now. @throws AppError NOT_FOUND */
export async function requireUser(id: string, context: Context): Promise<User> {
  const user = await context.load(usersById, id);
  if (!user) throw noSuchUser(id);
  return user;
}

/** Users: who they are. What they own is added by the modules of those nouns. */
export function addUsers(builder: Builder) {
  const User = builder.prismaObject('User', {
    description: 'A person whose wearable data is synced. Owns one log of sync events.',
    fields: (t) => ({
      id: t.expose('id', { type: 'UUID' }),
      // `upsertUser` returns a user to who may only write; what others have stored of that user is not theirs to see.
      externalUserId: t.exposeString('externalUserId', { nullable: true, authScopes: { read: true } }),
      email: t.exposeString('email', { nullable: true, authScopes: { read: true } }),
      firstName: t.exposeString('firstName', { nullable: true, authScopes: { read: true } }),
      lastName: t.exposeString('lastName', { nullable: true, authScopes: { read: true } }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
    }),
  });
  const UserConnection = builder.connectionObject(
    { type: User, name: 'UserConnection', description: 'A page of users, newest first.' },
    { name: 'UserEdge', description: 'A user in a list.' },
  );

  const types = { User, UserConnection };
  addUserQueries(builder, types);
  addUserMutations(builder, types);
  return types;
}

export type UserTypes = ReturnType<typeof addUsers>;

function addUserQueries(builder: Builder, { User, UserConnection }: UserTypes): void {
  builder.queryFields((t) => ({
    user: t.field({
      type: User,
      nullable: true,
      description: 'One user; null when there is none with this id, or none that you may see.',
      args: { id: t.arg({ type: 'UUID', required: true, description: 'The id of the user.' }) },
      authScopes: { read: true },
      resolve: (_, { id }, context) => findVisibleUser(id, context),
    }),
    users: t.field({
      type: UserConnection,
      ...pageOf('usersPageSize'),
      description: `The users that you may see, newest first. ${pageSizes(defaultLimits.usersPageSize)}.`,
      args: {
        ...t.arg.connectionArgs(),
        search: t.arg.string({
          description:
            'A part of a name, an e-mail address or an external id. Upper and lower case are the same, in every script, and so are forms of one letter; accents count. Blanks at its ends do not.',
        }),
      },
      authScopes: { read: true },
      resolve: (_, { search, ...args }, { viewer, limits, load }) => {
        if (search && search.length > limits.searchLength)
          throw badInput(`search must have at most ${limits.searchLength} characters`, ['search']);
        // No user has such a text, and the database would look for what stands before the NUL.
        if (search && !isStorable(search)) throw badInput('search must be well-formed Unicode without NUL', ['search']);
        const page = parsePage(args, userCursor, { size: limits.defaultPageSize, maxSize: limits.usersPageSize });
        return fetchConnection(
          page,
          (user: User) => userCursor.encode(user),
          (wider) => load(userPages, { ...wider, visible: visibility(viewer), search }),
        );
      },
    }),
  }));
}

function addUserMutations(builder: Builder, { User }: UserTypes): void {
  const UpsertUserInput = builder.inputType('UpsertUserInput', {
    description:
      'A user as the platform knows them. Found by `id` if one is given, else by `externalUserId`; made if there is none. A field that is left out keeps its value; null clears it.',
    fields: (t) => ({
      id: t.field({ type: 'UUID', description: 'The id to find or to make the user with.' }),
      externalUserId: t.string({
        description: `The platform's own id; unique. 1 to ${inWords(defaultLimits.userFieldLength)} characters.`,
      }),
      email: t.string({ description: `E-mail address, 1 to ${inWords(defaultLimits.userFieldLength)} characters.` }),
      firstName: t.string({ description: `Given name, 1 to ${inWords(defaultLimits.userFieldLength)} characters.` }),
      lastName: t.string({ description: `Family name, 1 to ${inWords(defaultLimits.userFieldLength)} characters.` }),
    }),
  });
  const DeleteUserPayload = builder.objectRef<ErasureReceipt>('DeleteUserPayload').implement({
    description: 'The outcome of deleting a user.',
    fields: (t) => ({
      deletedUserId: t.field({
        type: 'UUID',
        description: 'The id of the user who is gone.',
        resolve: (p) => p.userId,
      }),
      receipt: t.field({
        type: addErasureReceipt(builder),
        description: 'What was erased, to be kept as proof.',
        resolve: (p) => p,
      }),
    }),
  });

  builder.mutationFields((t) => ({
    upsertUser: t.field({
      type: User,
      description: 'Makes a user or changes one. Needs the scope `write`.',
      args: { input: t.arg({ type: UpsertUserInput, required: true, description: 'The user.' }) },
      authScopes: { write: true },
      resolve: (_, { input }, { viewer, services: { users } }) => users.upsert(input, administratorOf(viewer)),
    }),
    deleteUser: t.field({
      type: DeleteUserPayload,
      description: 'Removes a user with all events and runs, and ends the streams on the log. Needs the scope `admin`.',
      args: { id: t.arg({ type: 'UUID', required: true, description: 'The id of the user.' }) },
      authScopes: { admin: true },
      resolve: (_, { id }, { viewer, services: { users } }) => users.delete(id, administratorOf(viewer)),
    }),
  }));
}
