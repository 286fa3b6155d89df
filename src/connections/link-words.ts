import { codeOf } from '../reasons/sync-reason.ts';
import type { LinkState } from './link-state.ts';

/** What becomes of a connection by what is told of it: a state, or something to know of it that leaves the state alone. */
export type LinkWordMeaning = Exclude<LinkState, 'unknown'> | 'noted';

/**
 * The words by which platforms tell of connections, and what each means. Who has signed out, here or at the provider, wanted
 * to; other connections break that the person would rather keep. Nothing is guessed: a word that is not here means nothing.
 */
const meaningOfWord: Readonly<Record<string, LinkWordMeaning>> = {
  auth: 'connected',
  connected: 'connected',
  created: 'connected',
  user_reauth: 'connected',

  connection_error: 'needs_reconnect',
  invalid_grant: 'needs_reconnect',
  provider_credential_error: 'needs_reconnect',
  provider_password_expired: 'needs_reconnect',
  refresh_failed: 'needs_reconnect',
  token_refresh_failed: 'needs_reconnect',

  access_revoked: 'disconnected',
  deauth: 'disconnected',
  deregistered_per_provider: 'disconnected',
  deregistration: 'disconnected',
  sdk_sign_out: 'disconnected',
  user_disconnected: 'disconnected',
  user_not_found: 'disconnected',

  permission_change: 'noted',
  required_scopes_not_granted: 'noted',
  webhook_registration_failed: 'noted',
};

export const linkWords: readonly string[] = Object.keys(meaningOfWord);

/** Undefined for a word that no rule knows. */
export function meaningOfLinkWord(word: string): LinkWordMeaning | undefined {
  const known = codeOf(word);
  return Object.hasOwn(meaningOfWord, known) ? meaningOfWord[known] : undefined;
}
