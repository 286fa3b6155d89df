import { type GraphQLObjectType, type GraphQLSchema, getNamedType, isLeafType, isObjectType } from 'graphql';
import type { RouteTools } from '../route.ts';

/** Types that are a part of the object that they stand in. All other objects have lines of their own, or are in others. */
const parts: ReadonlySet<string> = new Set(['SyncReason', 'DataTypeSync', 'DateTimeRange', 'BackfillProgress']);

/** A line without its type. */
export type Fields = Readonly<Record<string, unknown>>;

/** A page of a list. */
export interface Edges {
  readonly edges: readonly { readonly cursor: string; readonly node: Fields }[];
}

/** Who is read: nobody who is made anew under the same id was made at the same time. */
export interface Made {
  readonly created_at: unknown;
}

interface UserAlone {
  readonly user: (Made & Fields & { readonly head_cursor: string }) | null;
}
interface Connections {
  readonly user: (Made & { readonly connections: readonly (Fields & { readonly provider: string })[] }) | null;
}
interface Runs {
  readonly user:
    | (Made & { readonly syncRuns: Edges & { readonly pageInfo: { readonly hasPreviousPage: boolean } } })
    | null;
}
interface Events {
  readonly user: (Made & { readonly syncEvents: Edges }) | null;
}

/** The user whom an export is about. */
export type ExportedUser = NonNullable<UserAlone['user']>;

export type ExportReads = ReturnType<typeof prepareExportReads>;

const made = 'created_at: createdAt';

/** What an export reads, each with all fields of its type. A page has `size` runs or events at most. */
export function prepareExportReads({ prepare, schema }: RouteTools) {
  const of = (type: string) => selectionOf(schema, objectType(schema, type));
  const edges = (type: string) => `edges { cursor node { ${of(type)} } }`;
  return {
    user: prepare<UserAlone>(`query ExportUser($userId: UUID!) { user(id: $userId) { ${of('User')} } }`),
    connections: prepare<Connections>(
      `query ExportConnections($userId: UUID!) { user(id: $userId) { ${made} connections { ${of('ProviderLink')} } } }`,
    ),
    runs: prepare<Runs>(`query ExportRuns($userId: UUID!, $size: Int!, $before: String) {
      user(id: $userId) { ${made} syncRuns(last: $size, before: $before) { ${edges('SyncRun')} pageInfo { hasPreviousPage } } }
    }`),
    events: prepare<Events>(`query ExportEvents($userId: UUID!, $size: Int!, $after: String) {
      user(id: $userId) { ${made} syncEvents(first: $size, after: $after) { ${edges('SyncEvent')} } }
    }`),
  };
}

function objectType(schema: GraphQLSchema, name: string): GraphQLObjectType {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`${name} is no object type`);
  return type;
}

/** Every field of a type that needs no argument and is no object of its own, under its name in snake case. */
function selectionOf(schema: GraphQLSchema, type: GraphQLObjectType): string {
  return Object.values(type.getFields())
    .flatMap((field) => {
      const named = getNamedType(field.type);
      const head = `${inSnakeCase(field.name)}: ${field.name}`;
      if (isLeafType(named)) return [head];
      return parts.has(named.name) ? [`${head} { ${selectionOf(schema, objectType(schema, named.name))} }`] : [];
    })
    .join(' ');
}

const inSnakeCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
