import type { SourceDefinition } from './define-source.ts';
import { openWearablesRedis } from './open-wearables/bridge.ts';
import { openWearablesWebhooks } from './open-wearables/webhooks.ts';

/** The sources that this server knows. Which of them feed its log, the settings say. */
export const installedSources: readonly SourceDefinition[] = [openWearablesRedis, openWearablesWebhooks];
