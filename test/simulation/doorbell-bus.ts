import type { ConnectWire, DoorbellEvents } from '../../src/instances/doorbell.ts';
import type { Party } from './virtual-time.ts';
import type { World } from './world.ts';

/**
 * What becomes of the signals of one instance: they arrive, or are lost until the wire is there again and says so, or
 * some are lost and nobody ever says so.
 */
type WireState = 'works' | 'lost' | 'lossy';

interface Wire {
  readonly party: Party;
  readonly events: DoorbellEvents;
  state: WireState;
  /** Since when it works; later than now while it does not. */
  worksSince: number;
  /** Whether it was said, when it worked again, that something may have been missed. */
  isMendTold: boolean;
}

/** The wire between all instances: messages take their time, overtake one another, and come twice. */
export class DoorbellBus {
  readonly #world: World;
  readonly #wires = new Map<Party, Wire>();

  constructor(world: World) {
    this.#world = world;
  }

  connectAs(party: Party): ConnectWire {
    return (events) => {
      const wire: Wire = { party, events, state: 'works', worksSince: 0, isMendTold: true };
      this.#wires.set(party, wire);
      this.#world.time.plan(this.#world.latency(), party, () => events.onGap());
      return {
        send: (message) => this.#send(wire, message),
        close: async () => void this.#wires.delete(party),
      };
    };
  }

  leave(party: Party): void {
    this.#wires.delete(party);
  }

  /** Since when the signals of an instance go out and come in, and whether it was told of those that did not come in. */
  stateOf(party: Party | undefined): { readonly worksSince: number; readonly isMendTold: boolean } {
    const gone = { worksSince: Number.POSITIVE_INFINITY, isMendTold: false };
    return (party && this.#wires.get(party)) ?? gone;
  }

  disturb(party: Party, state: 'lost' | 'lossy'): void {
    const wire = this.#wires.get(party);
    if (!wire) return;
    wire.isMendTold = state === 'lost' && (wire.state === 'works' || wire.isMendTold);
    wire.state = state;
    wire.worksSince = Number.POSITIVE_INFINITY;
  }

  mend(party: Party): void {
    const wire = this.#wires.get(party);
    if (!wire || wire.state === 'works') return;
    const wasLost = wire.state === 'lost';
    wire.state = 'works';
    wire.worksSince = this.#world.time.now;
    if (wasLost) this.#world.time.plan(0, party, () => wire.events.onGap());
  }

  /** Somebody says what nobody has sent. */
  lie(message: string): void {
    for (const wire of this.#wires.values()) this.#deliver(wire, message);
  }

  #send(from: Wire, message: string): void {
    for (const to of this.#wires.values()) {
      if (this.#isLost(from) || this.#isLost(to)) continue;
      this.#deliver(to, message);
      if (this.#world.chance(20)) this.#deliver(to, message);
    }
  }

  #isLost({ state }: Wire): boolean {
    return state === 'lost' || (state === 'lossy' && this.#world.chance(2));
  }

  #deliver({ party, events }: Wire, message: string): void {
    this.#world.time.plan(this.#world.latency(3), party, () => events.onMessage(message));
  }
}
