import { CloseCode, type Message, MessageType, validateMessage } from 'graphql-ws';
import type { RawData } from 'ws';
import { isObject } from '../../lib/json.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { readUtf8 } from '../../lib/utf8.ts';
import type { Limits } from '../../limits.ts';
import { isDeeper } from '../../operations/check-variables.ts';

/** Close code of RFC 6455 for a message that is too long. */
const MESSAGE_TOO_BIG = 1009;

/** Times are not more exact, in milliseconds: sums of them would be past a bound that they are at. */
const EXACT_MS = 0.001;

/** What a socket is closed with. */
interface Closing {
  readonly code: number;
  readonly reason: string;
}

/**
 * Reads what a client sends on one socket: so much of it at a time, by a token bucket that is kept as the time at which it
 * will be full again.
 */
export class ClientMessages {
  readonly #limits: Limits;
  /** By `performance.now()`. */
  #fullAt = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The message, or what the socket is to be closed with. For too many, a client does not come back by itself. */
  read(data: RawData): Message | Closing {
    const bytes = bytesOf(data);
    const { socketMessageBytes } = this.#limits;
    if (bytes.byteLength > socketMessageBytes)
      return {
        code: MESSAGE_TOO_BIG,
        reason: `A message may have at most ${socketMessageBytes} bytes; POST takes more`,
      };
    if (!this.#take(bytes.byteLength))
      return { code: CloseCode.TooManyInitialisationRequests, reason: 'Too many messages' };
    return this.#messageIn(bytes) ?? { code: CloseCode.BadRequest, reason: 'Invalid message received' };
  }

  /** Undefined for none. What an operation is sent with has bounds of its own, with which it alone is refused. */
  #messageIn(bytes: Uint8Array): Message | undefined {
    const message = messageIn(bytes);
    const isOfSocket = message && message.type !== MessageType.Subscribe && 'payload' in message;
    return isOfSocket && isDeeper(message.payload, this.#limits.variableDepth) ? undefined : message;
  }

  #take(bytes: number): boolean {
    const { burst, perSecond, bytesOfOne } = this.#limits.socketMessages;
    const now = performance.now();
    const fullAt = Math.max(this.#fullAt, now) + ((1 + Math.floor(bytes / bytesOfOne)) * 1_000) / perSecond;
    if (fullAt - now > (burst * 1_000) / perSecond + EXACT_MS) return false;
    this.#fullAt = fullAt;
    return true;
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

function messageIn(bytes: Uint8Array): Message | undefined {
  const text = readUtf8(bytes);
  try {
    return text === undefined ? undefined : validateMessage(withQuery(parseJson(text)));
  } catch {
    return undefined;
  }
}

/** The library takes no message without a text; one may name its document instead. */
function withQuery(message: unknown): unknown {
  if (!isObject(message) || !isObject(message.payload) || message.type !== MessageType.Subscribe) return message;
  return { ...message, payload: { query: '', ...message.payload } };
}
