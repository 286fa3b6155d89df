/** What the answer about one user takes many times over, in bytes. */
const LONGEST_ANSWER = 65_536;

/**
 * Whether Open Wearables takes an API key. Rejects when that cannot be known now; the error says why, and holds no part of
 * the key.
 */
export type AskAboutKey = (secret: string) => Promise<boolean>;

/**
 * Asks with the key itself for the first user of a list: a route that every good key may read, whose answer is short, and
 * which looks at nothing but its database. What is said of that user is dropped. No redirect is followed, so the key goes
 * to the server of `baseUrl` and to no other.
 * @param answerMs how long an answer may take, its body included
 */
export function createAskAboutKey(baseUrl: string, answerMs: number): AskAboutKey {
  const url = `${baseUrl.replace(/\/+$/, '')}/api/v1/users?limit=1`;
  return async (secret) => {
    try {
      return await meaningOf(
        await fetch(url, {
          headers: {
            'x-open-wearables-api-key': secret,
            accept: 'application/json',
            'cache-control': 'no-store',
            'user-agent': 'synclog',
          },
          redirect: 'manual',
          signal: AbortSignal.timeout(answerMs),
        }),
      );
    } catch (error) {
      if (error instanceof DOMException && error.name === 'TimeoutError')
        throw new Error(`Open Wearables has not answered for ${answerMs} ms`);
      throw error instanceof TypeError && error.cause ? error.cause : error; // of `fetch failed`
    }
  };
}

/** A page for browsers is answered with 200 to anybody, so 200 alone says nothing of the key. */
async function meaningOf(response: Response): Promise<boolean> {
  const { status } = response;
  if (status === 200) {
    if (isListOfUsers(await readText(response))) return true;
    throw new Error('OPEN_WEARABLES_URL leads to something else than Open Wearables: it lists no users');
  }
  await response.body?.cancel();
  if (status === 401 || status === 403) return false;
  throw new Error(`Open Wearables has answered with the status ${status}`);
}

/** The text of an answer; empty if it is longer than any that is expected. */
async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > LONGEST_ANSWER) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function isListOfUsers(text: string): boolean {
  try {
    const list: unknown = JSON.parse(text);
    return typeof list === 'object' && list !== null && 'items' in list && Array.isArray(list.items);
  } catch {
    return false;
  }
}
