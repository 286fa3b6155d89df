import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Source, stripIgnoredCharacters } from 'graphql';
import { z } from 'zod';
import { KnownFailure } from '../lib/known-failure.ts';
import { sha256 } from '../lib/sha256.ts';
import { defaultLimits } from '../limits.ts';

/** One document that clients may send. */
export interface ListedDocument {
  /** What clients name it by. */
  readonly id: string;
  readonly text: string;
  /** The file that it stands in. */
  readonly file: string;
}

/** What Relay's compiler and GraphQL Code Generator write: `{ "id": "text" }`. */
const byId = z.record(z.string(), z.string());
/** What Apollo's `generate-persisted-query-manifest` writes. */
const manifest = z.object({
  format: z.literal('apollo-persisted-query-manifest'),
  version: z.literal(1),
  operations: z.array(z.object({ id: z.string(), body: z.string() })),
});

const isDocument = /\.(graphql|gql)$/;

/**
 * Reads the documents that a client's build has written: a JSON file of Relay, GraphQL Code Generator or Apollo, a file of
 * one document in GraphQL (its id is the SHA-256 of its text, in hexadecimal digits), or a folder of them.
 * @throws KnownFailure that says which file is wrong, and what it must be
 */
export async function readDocumentList(path: string): Promise<readonly ListedDocument[]> {
  const documents: ListedDocument[] = [];
  let bytes = 0;
  for (const file of await filesAt(path)) {
    const content = await readFile(file, 'utf8').catch((error: Error) => refuse(file, error.message));
    bytes += content.length;
    for (const [id, text] of entriesOf(file, content)) documents.push({ id, text: checked(file, id, text), file });
    const { documents: most, characters } = defaultLimits.trustedDocuments;
    if (documents.length > most || bytes > characters)
      return refuse(path, `it holds more than ${most} documents or ${characters} characters`);
  }
  return documents.length > 0 ? documents : refuse(path, 'it holds no document');
}

async function filesAt(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: Error) => refuse(path, error.message));
  if (!found.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  return names
    .filter((name) => isDocument.test(name) || name.endsWith('.json'))
    .sort()
    .map((name) => join(path, name));
}

function entriesOf(file: string, content: string): readonly (readonly [id: string, text: string])[] {
  if (isDocument.test(file)) return [[sha256(content), content]];
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (error) {
    return refuse(file, error instanceof Error ? error.message : String(error));
  }
  const ofApollo = manifest.safeParse(json);
  if (ofApollo.success) return ofApollo.data.operations.map(({ id, body }) => [id, body]);
  const plain = byId.safeParse(json);
  if (plain.success) return Object.entries(plain.data);
  return refuse(file, 'it must be an object of texts by id, or a manifest of Apollo, version 1');
}

/** The text, if it can be read as GraphQL at all. Whether it fits the schema is seen when it is asked for. */
function checked(file: string, id: string, text: string): string {
  try {
    stripIgnoredCharacters(new Source(text));
    return text;
  } catch (error) {
    return refuse(file, `${id}: ${error instanceof Error ? error.message : error}`);
  }
}

function refuse(path: string, reason: string): never {
  throw new KnownFailure(`TRUSTED_DOCUMENTS: ${path} cannot be taken: ${reason}`);
}
