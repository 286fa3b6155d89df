import { HTTPException } from 'hono/http-exception';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the body of a request as JSON, `most` bytes of it. @throws HTTPException 415 for another content type, 413 for
 * a longer body, 400 for one that is no JSON, no UTF-8, or ends too soon.
 */
export async function readJson(request: Request, most: number): Promise<unknown> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new HTTPException(415, { message: 'The content-type must be application/json' });
  const bytes = await readBytes(request, most);
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new HTTPException(400, { message: 'The body must be JSON in UTF-8' });
  }
}

/**
 * A body that announces its length is refused before it is read. Another one is read on for a while, though not kept: a
 * client that is cut off while it sends loses the answer.
 * @throws HTTPException 413 for a longer body, 400 for one that ends too soon.
 */
export async function readBytes(request: Request, most: number): Promise<Buffer> {
  const tooLong = new HTTPException(413, { message: `The body may have at most ${most} bytes` });
  if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLong;
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.length;
      if (size <= most) chunks.push(chunk);
      if (size > 2 * most) break;
    }
  } catch {
    // What goes wrong while a body comes in is the client's doing: mostly it has left.
    throw new HTTPException(400, { message: 'The body ended too soon' });
  }
  if (size > most) throw tooLong;
  return Buffer.concat(chunks);
}
