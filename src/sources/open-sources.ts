import { startHolding } from '../instances/hold.ts';
import type {
  Delivery,
  DeliveryOutcome,
  Receiver,
  SourceDefinition,
  SourceTools,
  WebhookDescription,
} from './define-source.ts';
import { neededSettings, type SourceSettings } from './source-settings.ts';
import type { Sources } from './sources.ts';

/** The webhook of an installed source, for whoever lets requests in. */
export interface OpenWebhook {
  readonly description: WebhookDescription;
  /** Settings that this server lacks to take deliveries; none where there is `receive`. */
  readonly missing: readonly string[];
  /** Takes a delivery, see `Receiver`. Undefined where the source is not set up. */
  readonly receive: ((delivery: Delivery) => Promise<DeliveryOutcome>) | undefined;
}

interface OpenSources {
  /** Of all installed sources, set up or not. */
  readonly webhooks: readonly OpenWebhook[];
  /** Begins to fetch from the sources that are read, or to wait for them while another instance holds them. */
  start(): void;
  /** Hands over the sources that this instance holds. Waits `shutdownMs` at most. */
  close(): Promise<void>;
}

/**
 * Opens the sources that are set up: each gets its row in the database, and its worker or receiver. Deliveries are
 * taken at once; nothing is fetched before `start`.
 */
export async function openSources(
  definitions: readonly SourceDefinition[],
  settings: SourceSettings,
  { sources, ...shared }: Omit<SourceTools, 'source' | 'quarantine'> & { readonly sources: Sources },
): Promise<OpenSources> {
  const webhooks: OpenWebhook[] = [];
  const starts: (() => { close(): Promise<void> })[] = [];
  const open = async ({ name, webhook }: SourceDefinition): Promise<SourceTools> => ({
    ...shared,
    quarantine: sources.quarantine,
    source: await sources.open(name, { exclusive: !webhook }),
  });

  for (const definition of definitions) {
    const values = settings[definition.name];
    if (!definition.webhook) {
      if (!values) continue;
      const tools = await open(definition);
      const work = definition.createWorker(values, tools);
      starts.push(() => startHolding(tools.source, work, shared));
    } else if (values) {
      const tools = await open(definition);
      tools.source.report({ state: 'live', connectedAt: new Date(tools.clock()) });
      const receive = countingOutcomes(definition.webhook.createReceiver(values, tools), tools);
      webhooks.push({ description: definition.webhook, missing: [], receive });
    } else {
      const missing = neededSettings(definition.settings);
      webhooks.push({ description: definition.webhook, missing, receive: undefined });
    }
  }

  let held: { close(): Promise<void> }[] = [];
  return {
    webhooks,
    start() {
      held = starts.splice(0).map((start) => start());
    },
    async close() {
      await Promise.all(held.map((each) => each.close()));
    },
  };
}

const counts = { recorded: { recorded: 1 }, duplicate: { duplicates: 1 } } as const;

/** The receiver, with its outcomes counted in the source's row and what it cannot read put into quarantine. */
function countingOutcomes(receive: Receiver, { source, quarantine }: SourceTools) {
  return async (delivery: Delivery): Promise<DeliveryOutcome> => {
    const outcome = await receive(delivery);
    if (typeof outcome === 'string') {
      source.count(counts[outcome]);
      return outcome;
    }
    if ('ignored' in outcome) {
      source.ignore(outcome);
      return 'ignored';
    }
    source.count({ quarantined: await quarantine.add(source.name, [outcome]) });
    return 'quarantined';
  };
}
