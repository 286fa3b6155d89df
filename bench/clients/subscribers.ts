import { WebSocket } from 'ws';

/** How a kind of server is subscribed to. */
export interface Wire {
  /** The address of the subscriber with this number. */
  address(index: number): string;
  readonly protocol?: string;
  /** Messages to send: at once, and once the server has accepted the connection. */
  readonly init?: string;
  subscribe?(index: number): string;
  /** Does the first result come by itself? Then the subscriber is ready with it. */
  readonly greets?: boolean;
}

/** Open subscribers of one server. */
export interface Subscribers {
  /** Resolves once as many messages have come in which this text stands. @throws when they do not come */
  seen(text: string, count: number): Promise<void>;
  /** Cuts all connections at once, as a proxy that ends would. */
  cut(): Promise<void>;
}

/** How many connections are being opened at once. */
const OPENED_AT_ONCE = 50;
/** How long messages may take that were caused. */
const PATIENCE_MS = 120_000;

type Listener = (message: Buffer, index: number) => void;

/** @param onMessage is called for each message that carries a result */
export async function openSubscribers(wire: Wire, count: number, onMessage?: Listener): Promise<Subscribers> {
  const sockets: WebSocket[] = [];
  let wanted: { readonly text: Buffer; left: number; readonly resolve: () => void } | undefined;
  const take: Listener = (message, index) => {
    onMessage?.(message, index);
    if (!wanted?.text || !message.includes(wanted.text)) return;
    wanted.left -= 1;
    if (wanted.left === 0) wanted.resolve();
  };
  let next = 0;
  async function openInTurn(): Promise<void> {
    while (next < count) {
      const index = next;
      next += 1;
      sockets[index] = await openSubscriber(wire, index, take);
    }
  }
  await Promise.all(Array.from({ length: OPENED_AT_ONCE }, openInTurn));
  return {
    seen: (text, times) =>
      new Promise((resolve, reject) => {
        const patience = setTimeout(
          () => reject(new Error(`${wanted?.left} of ${times} messages with ${text} did not come`)),
          PATIENCE_MS,
        );
        wanted = {
          text: Buffer.from(text),
          left: times,
          resolve() {
            clearTimeout(patience);
            wanted = undefined;
            resolve();
          },
        };
      }),
    async cut() {
      const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of sockets) socket.terminate();
      await Promise.all(closed);
    },
  };
}

/** Resolves once the subscription has begun. */
function openSubscriber(wire: Wire, index: number, take: Listener): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(wire.address(index), wire.protocol ?? [], { perMessageDeflate: false });
    socket.once('error', reject);
    socket.once('close', (code, reason) => reject(new Error(`The server closed a socket: ${code} ${reason}`)));
    socket.on('open', () => {
      if (wire.init === undefined) resolve(socket);
      else socket.send(wire.init);
    });
    socket.on('message', (data: Buffer) => {
      const type = wire.init === undefined ? 'next' : typeOf(data);
      if (type === 'connection_ack') {
        socket.send(wire.subscribe?.(index) ?? '');
        // The stock server subscribes in memory, so that whatever is published after its answer to a ping arrives.
        if (!wire.greets) socket.send('{"type":"ping"}');
      } else if (type === 'next') {
        take(data, index);
        resolve(socket);
      } else if (type === 'pong') resolve(socket);
      else if (type === 'error' || type === 'complete') reject(new Error(`A stream ended: ${data}`));
    });
  });
}

/** The type stands at one end of a message: before its payload in what servers write, or there is no payload. */
function typeOf(data: Buffer): string | undefined {
  return /"type":"(\w+)"/.exec(data.toString('latin1', 0, 120))?.[1];
}
