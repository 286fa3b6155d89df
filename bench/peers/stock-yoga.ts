import { createServer } from 'node:http';
import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import { createYoga } from 'graphql-yoga';
import { getDatamodel, type default as PrismaTypes } from '../../src/db/generated/pothos.ts';
import { listenOn, settings } from './listening.ts';
import { openClient } from './stock-client.ts';

/** GraphQL Yoga, Pothos and Prisma as their guides put them together: relations with `query`, no code for speed. */
const client = openClient(settings.databaseUrl);
const builder = new SchemaBuilder<{ PrismaTypes: PrismaTypes }>({
  plugins: [PrismaPlugin, RelayPlugin],
  prisma: { client, dmmf: getDatamodel() },
});

const Filter = builder.inputType('SyncEventFilter', { fields: (t) => ({ providers: t.stringList() }) });

builder.prismaObject('SyncEvent', {
  fields: (t) => ({
    id: t.exposeID('id'),
    sequence: t.exposeInt('sequence'),
    cursor: t.string({ resolve: ({ sequence }) => String(sequence) }),
    runId: t.exposeID('runId'),
    provider: t.exposeString('provider'),
    source: t.string({ resolve: ({ source }) => source.toUpperCase() }),
    stage: t.string({ resolve: ({ stage }) => stage.toUpperCase() }),
    status: t.string({ resolve: ({ status }) => status.toUpperCase() }),
    message: t.exposeString('message', { nullable: true }),
    progress: t.exposeFloat('progress', { nullable: true }),
    itemsProcessed: t.exposeInt('itemsProcessed', { nullable: true }),
    itemsTotal: t.exposeInt('itemsTotal', { nullable: true }),
    timestamp: t.string({ resolve: ({ timestamp }) => timestamp.toISOString() }),
    recordedAt: t.string({ resolve: ({ recordedAt }) => recordedAt.toISOString() }),
  }),
});

builder.prismaObject('User', {
  fields: (t) => ({
    id: t.exposeID('id'),
    recentSyncEvents: t.relation('events', {
      args: { limit: t.arg.int({ defaultValue: 50 }), filter: t.arg({ type: Filter }) },
      query: ({ limit, filter }) => ({
        take: limit ?? 50,
        orderBy: { sequence: 'desc' },
        where: filter?.providers ? { provider: { in: filter.providers } } : {},
      }),
    }),
  }),
});

builder.queryType({
  fields: (t) => ({
    user: t.prismaField({
      type: 'User',
      nullable: true,
      args: { id: t.arg.id({ required: true }) },
      resolve: (query, _, { id }) => client.user.findUnique({ ...query, where: { id: String(id) } }),
    }),
    users: t.prismaConnection({
      type: 'User',
      cursor: 'id',
      resolve: (query) => client.user.findMany({ ...query, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] }),
    }),
  }),
});

listenOn(createServer(createYoga({ schema: builder.toSchema() })));
