import type { GraphQLError } from 'graphql';
import { KnownFailure } from '../lib/known-failure.ts';
import { defaultLimits } from '../limits.ts';
import { readDocumentList } from '../operations/document-list.ts';
import { Operations } from '../operations/operations.ts';
import { TrustedDocuments } from '../operations/trusted-documents.ts';
import { buildSchema } from '../schema.ts';
import { type Finding, findingsOf } from './finding.ts';

const settings = findingsOf('settings');

/** How many documents that do not fit are told one by one. */
const LISTED = 20;

/** Can the list be taken, and does each of its documents fit the schema and the limits of this release? */
export async function lookAtDocuments(path: string): Promise<readonly Finding[]> {
  const advice = 'README.md says what a list may be';
  try {
    const list = await readDocumentList(path);
    const mistakeIn = readerOf(new TrustedDocuments(list));
    const wrong = list.flatMap(({ id, text, file }) => {
      const mistake = mistakeIn(text);
      return mistake
        ? [settings.warning(`${file}: ${id} is not run: ${mistake.message}`, 'build that client anew')]
        : [];
    });
    if (wrong.length === 0) return [settings.ok(`${list.length} trusted documents fit the schema`)];
    const more = settings.warning(`${wrong.length - LISTED} more are not run`, 'mend these first');
    return wrong.length > LISTED ? [...wrong.slice(0, LISTED), more] : wrong;
  } catch (error) {
    if (error instanceof KnownFailure) return [settings.problem(error.message, advice)];
    throw error;
  }
}

/** The first mistake in a text, if there is one. */
function readerOf(trusted: TrustedDocuments): (text: string) => GraphQLError | undefined {
  const asItIs = (error: unknown) => error as GraphQLError; // nothing is run, and so nothing else is thrown
  const operations = new Operations({
    ...{ schema: buildSchema(), limits: defaultLimits, trusted },
    introspection: true,
    formatError: asItIs,
  });
  return (text) => {
    try {
      return operations.prepare(text).mistakes[0];
    } catch (error) {
      return asItIs(error);
    }
  };
}
