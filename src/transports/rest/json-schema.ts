/** A schema of JSON Schema 2020-12, which OpenAPI 3.1 uses. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A schema of the API description, by its name. */
export const schemaNamed = (
  name: 'SyncEvent' | 'SyncEventInput' | 'SyncRun' | 'SyncRunHistory' | 'SyncRunHistoryWithTypes' | 'DataTypeSync',
): JsonSchema => ({
  $ref: `#/components/schemas/${name}`,
});

export const arrayOf = (items: JsonSchema): JsonSchema => ({ type: 'array', items });
