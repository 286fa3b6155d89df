import {
  type ASTNode,
  type DocumentNode,
  GraphQLError,
  type GraphQLInputObjectType,
  type GraphQLSchema,
  getNullableType,
  isInputObjectType,
  Kind,
  TypeInfo,
  type ValueNode,
  valueFromAST,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { ErrorCode } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { FindProblems, InputProblem } from './input-problems.ts';

/**
 * Mistakes of a document, of which the first one within a list of items, of a type with `findProblems`, lists all that is
 * wrong with the lists of items that the document spells out: the same as `findInputProblems` lists of variables.
 */
export function withLiteralProblems(
  mistakes: readonly GraphQLError[],
  { schema, document, limits }: { schema: GraphQLSchema; document: DocumentNode; limits: Limits },
): readonly GraphQLError[] {
  if (mistakes.length === 0) return mistakes;
  const problems: InputProblem[] = [];
  const inItems = new Set<GraphQLError>();
  const typeInfo = new TypeInfo(schema);
  const collect = visitWithTypeInfo(typeInfo, {
    ListValue({ values }) {
      const type = getNullableType(typeInfo.getInputType()); // within a list, that of its items
      if (!isInputObjectType(type) || typeof type.extensions.findProblems !== 'function') return;
      for (const [index, item] of values.entries()) {
        const own = mistakes.filter(({ nodes }) => nodes?.some((node) => isWithin(node, item)));
        for (const mistake of own) inItems.add(mistake);
        problems.push(...problemsOf(item, type, own, limits).map((problem) => ({ index, ...problem })));
      }
    },
  });
  visit(document, collect);
  const first = mistakes.find((mistake) => inItems.has(mistake));
  if (!first) return mistakes;
  const { message, nodes } = first;
  const extensions = {
    code: 'BAD_USER_INPUT' satisfies ErrorCode,
    problems: problems.slice(0, limits.listedProblems),
  };
  const listing = new GraphQLError(message, { nodes: nodes ?? null, extensions });
  return mistakes.map((mistake) => (mistake === first ? listing : mistake));
}

function problemsOf(
  item: ValueNode,
  type: GraphQLInputObjectType,
  mistakes: readonly GraphQLError[],
  limits: Limits,
): Omit<InputProblem, 'index'>[] {
  const given = item.kind === Kind.OBJECT ? item.fields : [];
  const misfits = mistakes.map(({ message, nodes }) => {
    const own = given.find((field) => nodes?.some((node) => isWithin(node, field)));
    // Of a field that is missing, graphql-js speaks as of the object.
    return { field: own?.name.value ?? /^Field "(?:\w+\.)?(\w+)"/.exec(message)?.[1] ?? '', message };
  });
  if (item.kind !== Kind.OBJECT) return misfits;
  const known = new Set(misfits.map(({ field }) => field));
  const fields = type.getFields();
  const readable = given.flatMap(({ name, value }) => {
    const fieldType = fields[name.value]?.type;
    const read = fieldType && valueFromAST(value, fieldType); // nothing for a variable, which is looked at when there is one
    return read === undefined || known.has(name.value) ? [] : [[name.value, read] as const];
  });
  const findProblems = type.extensions.findProblems as FindProblems; // nothing else is put there under this name
  const further = findProblems(Object.fromEntries(readable), limits).filter(({ field }) => !known.has(field));
  return [...misfits, ...further];
}

function isWithin({ loc: inner }: ASTNode, { loc: outer }: ASTNode): boolean {
  return inner !== undefined && outer !== undefined && inner.start >= outer.start && inner.end <= outer.end;
}
