import { type Scope, scopesAmong, type UserViewer } from './viewer.ts';

/** What the scopes of a token say. */
export interface TokenScopes {
  /** The scope that ties the token to the one user in its `sub`, whatever else it names. */
  readonly via: UserViewer['via'] | undefined;
  readonly granted: readonly Scope[];
}

/** Where issuers put scopes as RFC 8693 and 9068 do, or nearly so. Only `scope` itself grants any. */
const scopeClaims: ReadonlySet<string> = new Set(['scope', 'scopes', 'scp']);

/** In the name of a claim, whatever else is part of it: what issuers call that by which they permit something. */
const permitting = /scope|scp|permission|role|authorities|grant|entitlement/;

/**
 * Reads the scopes of a token. What grants is `scope` alone, and its words exactly. What narrows counts in any case, and whatever
 * stands before or behind it: a token for a user must not become one for all of them by how it is spelled. `sync:self` counts in
 * every claim, as it means nothing else. `sdk` may be the name of a client, or of a group of developers: it counts as the name of
 * a claim, and in claims whose names tell that they permit something (`https://example.com/app-roles`) and what these hold. A word
 * that means something else, such as `read:sdk`, narrows too: a developer who is refused can tell.
 *
 * The work grows with the length of the claims, whatever is in them.
 * @returns null when a claim for scopes cannot be read, as a restriction in it would be none
 */
export function scopesOfToken(claims: Readonly<Record<string, unknown>>): TokenScopes | null {
  const entries = Object.entries(claims);
  if (entries.some(([name, value]) => scopeClaims.has(name.toLowerCase()) && !scopeTexts(value))) return null;
  const granting = scopeTexts(claims.scope ?? []) ?? [];
  return { via: viaOf(claims), granted: scopesAmong(granting.flatMap((text) => text.split(/[\s,]+/))) };
}

function viaOf(claims: object): UserViewer['via'] | undefined {
  let via: UserViewer['via'] | undefined;
  for (const { text, permits } of textsIn(claims)) {
    const words = wordsOf(text);
    if (words.some(hasSyncSelf)) return 'sync:self';
    if (permits && words.some((parts) => parts.includes('sdk'))) via = 'sdk';
  }
  return via;
}

/** A text in the claims of a token. */
interface ClaimText {
  readonly text: string;
  /** Does it stand where something is permitted, so that `sdk` in it is a scope? */
  readonly permits: boolean;
}

/** All texts of a value of JSON, names of fields among them. Without recursion, so that no text is handed on by every level. */
function* textsIn(root: object): Generator<ClaimText> {
  const open: { readonly value: unknown; readonly permits: boolean }[] = [{ value: root, permits: false }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, permits } = next;
    if (typeof value === 'string') yield { text: value, permits };
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, inner] of Object.entries(value)) {
      yield { text: name, permits: permits || isNamedSdk(name) };
      open.push({ value: inner, permits: permits || isPermitting(name) });
    }
  }
}

/** Does the name of a claim tell that it permits something? A `role_name` is a text for people. */
function isPermitting(claim: string): boolean {
  const name = plain(claim);
  return permitting.test(name) && !name.endsWith('name');
}

/** Is a claim `sdk`, behind any prefix? A `mobile-sdk` is likely a client, under whose name Keycloak lists roles. */
function isNamedSdk(claim: string): boolean {
  const parts = plain(claim).split(/[^\w-]+/);
  return parts.findLast((part) => part !== '') === 'sdk';
}

function hasSyncSelf(parts: readonly string[]): boolean {
  return parts.some((part, index) => part === 'sync' && parts[index + 1] === 'self');
}

/** The words of a text, each as its parts: whatever an issuer puts between and around them hides no restriction. */
function wordsOf(text: string): string[][] {
  const words = plain(text).split(/[^\w:./-]+/);
  return words.map((word) => word.split(/[^a-z\d]+/));
}

/** A text without what spells the same otherwise: codes of URLs, other forms of letters, case. */
function plain(text: string): string {
  const decoded = text.replaceAll(/%[\da-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  return decoded.normalize('NFKC').toLowerCase();
}

/** The texts of a claim that names scopes: a text or a list of texts. Null when it is neither. */
function scopeTexts(scopes: unknown): string[] | null {
  const texts: unknown[] = Array.isArray(scopes) ? scopes : [scopes];
  return texts.every((text) => typeof text === 'string') ? texts : null;
}
