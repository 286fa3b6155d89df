import { once } from 'node:events';
import { connectTo } from './connection.ts';

/** What a frame holds (RFC 6455, 11.8). */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame as a client sends it: masked, though by nothing. */
export function frameOf(opcode: number, payload: Buffer | string, { isLast = true } = {}): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(14);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  if (bytes.length < 126) head[1] = 0x80 | bytes.length;
  else if (bytes.length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(bytes.length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(bytes.length), 2);
  }
  const length = bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10;
  return Buffer.concat([head.subarray(0, length), Buffer.alloc(4), bytes]);
}

/** A WebSocket without a client library: what is sent is what the test says. It answers pings and closing, as one must. */
export interface RawSocket {
  /** Status and headers of the answer to the upgrade. */
  readonly head: string;
  /** Sends a message in one frame: bytes in a binary one, a text as it is, anything else as JSON. */
  send(message: unknown): void;
  /** Sends bytes that may be no frame. */
  write(bytes: Buffer): void;
  /** The next message. @throws when the socket closes instead */
  next(): Promise<Record<string, unknown>>;
  /** The payload of the next pong. @throws when the socket closes instead */
  nextPong(): Promise<string>;
  /** How the socket was closed; 1006 where nobody said so. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Takes nothing more from the server. */
  stopReading(): void;
  close(): void;
  /** Leaves without a word. */
  cut(): void;
}

export const initMessage = (payload?: object) => ({ type: 'connection_init', payload });

/** Opens a socket on the GraphQL endpoint. @throws with the HTTP status when it is refused */
export async function openRawSocket(
  url: string,
  {
    protocol = 'graphql-transport-ws',
    headers = {},
    agreesToEnd = true,
  }: {
    readonly protocol?: string;
    readonly headers?: Readonly<Record<string, string>>;
    /** Whether it answers closing. If not, {@link RawSocket.next} throws all the same. */
    readonly agreesToEnd?: boolean;
  } = {},
): Promise<RawSocket> {
  const { host } = new URL(url);
  const wire = connectTo(url);
  const sent = {
    Host: host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...(protocol && { 'Sec-WebSocket-Protocol': protocol }),
    ...headers,
  };
  const lines = Object.entries(sent).map(([name, value]) => `${name}: ${value}\r\n`);
  wire.write(`GET /graphql HTTP/1.1\r\n${lines.join('')}\r\n`);

  let bytes: Buffer = Buffer.alloc(0);
  while (!bytes.includes('\r\n\r\n')) {
    const [chunk] = await Promise.race([once(wire, 'data'), once(wire, 'end').then(() => [undefined])]);
    if (!chunk) throw new Error('The connection was closed without an answer');
    bytes = Buffer.concat([bytes, chunk]);
  }
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.subarray(0, end).toString();
  const [, status] = /^HTTP\/1.1 (\d+)/.exec(head) ?? [];
  if (status !== '101') {
    wire.destroy();
    throw new Error(`HTTP ${status}`);
  }

  const messages = new Waiting<Record<string, unknown>>();
  const pongs = new Waiting<string>();
  let ending = { code: 1006, reason: '' };
  const endAll = () => {
    for (const each of [messages, pongs]) each.end(`The socket was closed with ${ending.code}: ${ending.reason}`);
  };
  const closed = new Promise<typeof ending>((resolve) => {
    wire.on('close', () => {
      endAll();
      resolve(ending);
    });
  });
  const take = (opcode: number, payload: Buffer) => {
    if (opcode === opcodes.text) messages.add(JSON.parse(payload.toString()));
    else if (opcode === opcodes.pong) pongs.add(payload.toString());
    else if (opcode === opcodes.ping) wire.write(frameOf(opcodes.pong, payload));
    else if (opcode === opcodes.close) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      ending = { code, reason: payload.subarray(2).toString() };
      if (agreesToEnd) wire.end(frameOf(opcodes.close, payload.subarray(0, 2)));
      else endAll();
    }
  };
  const takeAll = () => {
    for (let frame = firstFrame(bytes); frame; frame = firstFrame(bytes)) {
      bytes = bytes.subarray(frame.size);
      take(frame.opcode, frame.payload);
    }
  };
  bytes = bytes.subarray(end + 4);
  takeAll();
  wire.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    takeAll();
  });
  return {
    head,
    closed,
    next: () => messages.next(),
    nextPong: () => pongs.next(),
    write: (sent) => void wire.write(sent),
    send(message) {
      if (Buffer.isBuffer(message)) wire.write(frameOf(opcodes.binary, message));
      else wire.write(frameOf(opcodes.text, typeof message === 'string' ? message : JSON.stringify(message)));
    },
    stopReading: () => void wire.pause(),
    close: () => void wire.write(frameOf(opcodes.close, Buffer.from([0x03, 0xe8]))),
    cut: () => void wire.destroy(),
  };
}

/** The frame with which bytes begin, if all of it is there. A server masks none, and this one sends each text in one. */
function firstFrame(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1);
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < head) return undefined;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const size = head + length;
  if (bytes.length < size) return undefined;
  return { opcode: bytes.readUInt8(0) & 0x0f, payload: bytes.subarray(head, size), size };
}

/** What has come, or is waited for. */
class Waiting<T> {
  readonly #come: T[] = [];
  #wake = () => {};
  #end: string | undefined;

  add(item: T): void {
    this.#come.push(item);
    this.#wake();
  }

  end(why: string): void {
    this.#end = why;
    this.#wake();
  }

  async next(): Promise<T> {
    for (;;) {
      const [item] = this.#come.splice(0, 1);
      if (item !== undefined) return item;
      if (this.#end !== undefined) throw new Error(this.#end);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
