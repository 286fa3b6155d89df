import type { Builder } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import { pageOf } from '../graphql/items.ts';
import { inWords, pageSizes } from '../graphql/limit-texts.ts';
import { fetchConnection, isKeyTime, keyCursor, parsePage } from '../graphql/paging.ts';
import { isUuid } from '../lib/uuid.ts';
import { defaultLimits } from '../limits.ts';
import { acts, administratorKinds } from './acts.ts';
import type { AuditEntry as AuditEntryRow, AuditKey } from './audit.ts';

const auditCursor = keyCursor<AuditKey>(
  ({ at, id }) => [at.getTime(), id],
  ([time, id]) => (isKeyTime(time) && typeof id === 'string' && isUuid(id) ? { at: new Date(time), id } : undefined),
);

/** The audit log: who administered what, and when. */
export function addAudit(builder: Builder): void {
  const AuditEntryConnection = builder.connectionObject(
    {
      type: addAuditEntry(builder),
      name: 'AuditEntryConnection',
      description: 'A page of the audit log, newest first.',
    },
    { name: 'AuditEntryEdge', description: 'A line in a list.' },
  );
  builder.queryField('auditLog', (t) =>
    t.field({
      type: AuditEntryConnection,
      ...pageOf(),
      description: `Acts of administration, newest first, for ${inWords(defaultLimits.auditDays)} days. ${pageSizes()}. Needs the scope \`admin\`.`,
      args: {
        ...t.arg.connectionArgs(),
        target: t.arg.id({ description: 'Only lines about the API key or user with this id, who may be erased.' }),
      },
      authScopes: { admin: true },
      resolve: (_, { target, ...args }, { limits, services: { audit } }) => {
        const page = parsePage(args, auditCursor, { size: limits.defaultPageSize, maxSize: limits.pageSize });
        return fetchConnection(page, auditCursor.encode, (wider) =>
          target == null ? audit.list(wider) : audit.about(target, wider),
        );
      },
    }),
  );
}

function addAuditEntry(builder: Builder) {
  // The columns are text, so the enums' values are, too.
  const AuditAct = addEnum<string>(builder, 'AuditAct', 'An act of administration.', acts);
  const AdministratorKind = addEnum<string>(builder, 'AdministratorKind', 'Who acted.', administratorKinds);
  return builder.objectRef<AuditEntryRow>('AuditEntry').implement({
    description: 'An act of administration. It holds no secret, and of a user nothing but the id.',
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Id of the line, which a receipt names.' }),
      at: t.expose('at', { type: 'DateTime', description: 'When it was; of acts that are counted, the first.' }),
      act: t.expose('act', { type: AuditAct, description: 'What was done.' }),
      byKind: t.expose('byKind', { type: AdministratorKind, description: 'Who did it.' }),
      byId: t.exposeString('byId', {
        nullable: true,
        description: 'Public id of the API key, or subject of the token, that was used.',
      }),
      byName: t.exposeString('byName', { nullable: true, description: 'Name of the API key.' }),
      target: t.exposeString('target', {
        nullable: true,
        description:
          'Id of the API key or user that it was done to; of an erased user `sha256:` and the hash of the id, by which who has the id, or guesses it, finds the line. Null for acts on many at once, which are counted.',
      }),
      count: t.exposeInt('count', {
        description: `How many; 1 but for acts that are counted. Of user tokens that is told up to ${defaultLimits.auditCountMs / 1_000} seconds late.`,
      }),
      details: t.expose('details', { type: 'JSONObject', description: 'More of it, by the kind of act.' }),
    }),
  });
}
