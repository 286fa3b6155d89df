import { LRUCache } from 'lru-cache';

/** Characters of all documents in one cache. Parsed, they take up to 250 times as many bytes. */
const MAX_CHARACTERS = 500_000;

/** What was made of the documents that were seen last. */
type DocumentCache<T extends object> = LRUCache<string, T>;

/**
 * It is bounded by the characters of its documents and not by their number: a thousand large ones, which need no
 * credential, would fill the memory.
 */
export function createDocumentCache<T extends object>(): DocumentCache<T> {
  return new LRUCache({ maxSize: MAX_CHARACTERS, sizeCalculation: (_, text) => Math.max(text.length, 1) });
}
