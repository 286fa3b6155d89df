import { GraphQLError, type ValidationRule } from 'graphql';

/** Where introspection is off: what asks for the schema is refused. `__typename` is no part of it. */
export const noIntrospection: ValidationRule = (context) => ({
  Field(node) {
    const name = node.name.value;
    if (name !== '__schema' && name !== '__type') return;
    const message = `Introspection is off on this server, so \`${name}\` is not answered; INTROSPECTION=on turns it on`;
    context.reportError(new GraphQLError(message, { nodes: node }));
  },
});

/** What graphql-js says of a mistake, without the names of the schema that may have been meant. */
export function withoutSuggestion(message: string): string {
  return message.replace(/ Did you mean [^?]+\?$/, '');
}
