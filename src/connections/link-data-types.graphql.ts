import { countedDataTypes, type DataTypeSyncType, expectDataTypes } from '../data-types/data-types.graphql.ts';
import { type ConnectionId, connectionKey } from '../data-types/data-types.ts';
import type { ProviderDataType } from '../db/rows.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import { USUAL_DATA_TYPES, withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import type { ConnectionTypes } from './connections.graphql.ts';

const dataTypesByConnection: Batch<ConnectionId, readonly ProviderDataType[]> = {
  keyOf: connectionKey,
  restsOn: { owner: ({ userId }) => userId },
  find: (connections, { dataTypes }, bounds) => dataTypes.ofConnections(connections, expectDataTypes(bounds)),
};

/** Those types that have failed. */
export const failedTypesByConnection: Batch<ConnectionId, readonly ProviderDataType[]> = {
  keyOf: connectionKey,
  restsOn: { owner: ({ userId }) => userId },
  find: (connections, { dataTypes }) => dataTypes.failedOfConnections(connections),
};

/** What all runs of a connection have done with each type of data, as a field of it. */
export function addLinkDataTypes(
  builder: Builder,
  { ProviderLink }: ConnectionTypes,
  DataTypeSync: DataTypeSyncType,
): void {
  builder.prismaObjectField(ProviderLink, 'dataTypes', (t) =>
    t.field({
      type: [DataTypeSync],
      ...withItems({ usual: USUAL_DATA_TYPES, most: 'dataTypesPerConnection' }),
      description: `What all runs together did with each type of data, by name; at most ${inWords(defaultLimits.dataTypesPerConnection)}. The newest report by its producer's time says how a type stands; late ones widen its spans and count.`,
      authScopes: { read: true },
      resolve: async ({ userId, provider }, _, context, info) =>
        countedDataTypes(await context.load(dataTypesByConnection, { userId, provider }), context, info),
    }),
  );
}
