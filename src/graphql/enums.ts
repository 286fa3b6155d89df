import type { Builder } from './builder.ts';

/** An enum out of the descriptions of its values. The value `in_progress` is `IN_PROGRESS` in the schema. */
export function addEnum<Value extends string>(
  builder: Builder,
  name: string,
  description: string,
  descriptions: Readonly<Record<Value, string>>,
) {
  const values: Record<string, { readonly value: Value; readonly description: string }> = {};
  // The keys of a record of values are values.
  for (const value of Object.keys(descriptions) as Value[])
    values[value.toUpperCase()] = { value, description: descriptions[value] };
  return builder.enumType(name, { description, values });
}
