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
const permitting = /scope|scp|permission|role|authorit|entitlement/i;

/** The scopes that narrow, at the end of a word: before them is what an issuer calls the API, such as `https://api.example.com/`. */
const selfScope = /(?:^|[/:._-])sync[:._/-]self$/;
const sdkScope = /(?:^|[/:.])sdk$/;

/**
 * Reads the scopes of a token. What grants is `scope` alone, and its words exactly. What narrows counts in any case and behind the
 * name of any API: a token for a user must not become one for all of them by how it is spelled. `sync:self` counts in every claim,
 * as it means nothing else. `sdk` may be the name of a client, or of a group of developers: it counts in claims whose names tell
 * that they permit something (`https://example.com/app-roles`), and in what these hold.
 * @returns null when a claim for scopes cannot be read, as a restriction in it would be none
 */
export function scopesOfToken(claims: Readonly<Record<string, unknown>>): TokenScopes | null {
  const entries = Object.entries(claims);
  if (entries.some(([name, value]) => scopeClaims.has(name.toLowerCase()) && !scopeTexts(value))) return null;
  const granting = scopeTexts(claims.scope ?? []) ?? [];
  return { via: viaOf(claims), granted: scopesAmong(granting.flatMap((text) => text.split(/[\s,]+/))) };
}

function viaOf(claims: object): UserViewer['via'] | undefined {
  if (hasWord(textsIn(claims), selfScope)) return 'sync:self';
  return hasWord(permittingTexts(claims), sdkScope) ? 'sdk' : undefined;
}

function hasWord(texts: readonly string[], wanted: RegExp): boolean {
  return texts.some((text) => wordsOf(text).some((word) => wanted.test(word)));
}

function permittingTexts(claims: object): string[] {
  return Object.entries(claims).flatMap(([name, value]: [string, unknown]) => {
    if (permitting.test(name)) return textsIn(value);
    return typeof value === 'object' && value !== null ? permittingTexts(value) : [];
  });
}

/** All texts of a value of JSON, names of fields among them. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return [...(Array.isArray(value) ? [] : Object.keys(value)), ...Object.values(value).flatMap(textsIn)];
}

/** The words of a text: whatever an issuer puts between them and around them hides no restriction. */
function wordsOf(text: string): string[] {
  const plain = text.replaceAll(/%[\da-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  const words = plain
    .normalize('NFKC')
    .toLowerCase()
    .split(/[^\w:./-]+/);
  return words.map((word) => word.replace(/[:./-]+$/, ''));
}

/** The texts of a claim that names scopes: a text or a list of texts. Null when it is neither. */
function scopeTexts(scopes: unknown): string[] | null {
  const texts: unknown[] = Array.isArray(scopes) ? scopes : [scopes];
  return texts.every((text) => typeof text === 'string') ? texts : null;
}
