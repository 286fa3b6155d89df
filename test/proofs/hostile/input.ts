/** Text as UTF-8, or bytes that are none. */
export type Bytes = string | { readonly base64: string };

/** One thing that a hostile client does. It is plain data, so that what has broken a promise can be printed and sent again. */
export type Input = HttpInput | RawInput | SocketInput;

/** What every input says of itself. */
interface Named {
  /** What about it is hostile, such as `headers`. */
  readonly kind: string;
  /** The door that it goes through. */
  readonly door: string;
}

/** A request as an HTTP client sends it. Of an answer that has no end, the beginning is taken. */
export interface HttpInput extends Named {
  readonly form: 'http';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Bytes;
}

/** Bytes on a connection of their own, after which nothing more comes. */
export interface RawInput extends Named {
  readonly form: 'raw';
  readonly bytes: Bytes;
}

/** Messages on a WebSocket, once it is open. Text goes as it is, bytes in a binary frame, anything else as JSON. */
export interface SocketInput extends Named {
  readonly form: 'socket';
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol?: string;
  readonly messages: readonly unknown[];
}

export function toBuffer(bytes: Bytes): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.base64, 'base64');
}

/** Everything that is sent, as text: what an answer repeats of it is no secret of the server. */
export function textOf(input: Input): string {
  if (input.form === 'raw') return toBuffer(input.bytes).toString();
  if (input.form === 'socket') return JSON.stringify([input.headers, input.messages]);
  const { method, path, headers, body = '' } = input;
  return `${method} ${path} ${safely(path)} ${JSON.stringify(headers)} ${toBuffer(body).toString()}`;
}

/** What sends it again: a command of curl where it can, else the input itself as JSON. */
export function toCommand(input: Input, url: string): string {
  if (input.form !== 'http' || (input.body !== undefined && typeof input.body !== 'string'))
    return JSON.stringify(input);
  const { method, path, headers, body } = input;
  const fields = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const sent = body === undefined ? [] : [`--data-binary ${quoted(body)}`];
  return ['curl -i', `-X ${quoted(method)}`, ...fields, ...sent, '--path-as-is', quoted(url + path)].join(' ');
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function safely(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}
