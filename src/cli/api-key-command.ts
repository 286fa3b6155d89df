import { existsSync } from 'node:fs';
import { z } from 'zod';
import { commandLine } from '../audit/acts.ts';
import { type ApiKey, ApiKeys } from '../auth/api-keys.ts';
import { type Scope, scopes, scopesAmong } from '../auth/viewer.ts';
import { parseConfig } from '../config.ts';
import { migrate } from '../db/migrations.ts';
import { openDatabase, providerOf } from '../db/open-database.ts';
import { sqlitePath } from '../db/sqlite-path.ts';
import { AppError } from '../errors.ts';
import { failureStatus, failureText } from '../failure-text.ts';
import { KnownFailure } from '../lib/known-failure.ts';
import { reasonOf } from '../lib/outages.ts';
import { asTyped } from '../lib/package-folder.ts';
import { defaultLimits } from '../limits.ts';
import { doubtsAbout } from '../settings/doubtful-names.ts';
import { apiKeyHelp } from './api-key-help.ts';
import { asksForHelp, readCommandLine, UsageError } from './command-line.ts';
import { UnprintedError } from './print.ts';

/** What a command has done. */
interface Done {
  readonly lines: readonly string[];
  /** Undoes what is of no use where its lines could not be printed. @throws KnownFailure that says so */
  readonly takeBack?: (unprinted: UnprintedError) => Promise<never>;
}

type Command = (keys: ApiKeys) => Promise<Done>;

const isoTime = z.union([z.iso.datetime({ offset: true }), z.iso.date()]);

/** What the arguments ask for, checked as far as that goes without a database. */
function parseCommand(args: readonly string[]): Command {
  const { values: options, positionals } = readCommandLine(args, {
    operands: true,
    options: {
      name: { type: 'string' },
      scopes: { type: 'string' },
      'expires-at': { type: 'string' },
      'overlap-seconds': { type: 'string' },
    },
  });
  const [command, ...operands] = positionals;
  checkOptions(command, options);

  if (command === 'create') {
    if (operands.length > 0) throw new UsageError(`create takes options only, not ${operands[0]}`);
    const { name, 'expires-at': expiresAt } = options;
    if (name === undefined) throw new UsageError('create needs --name');
    if (options.scopes === undefined) throw new UsageError('create needs --scopes');
    const draft = { name, scopes: parseScopes(options.scopes), expiresAt: parseTime(expiresAt) ?? null };
    return async (keys) => {
      const { key, secret } = await keys.create(draft, commandLine);
      const says = `API key ${key.id} (${key.name}) may ${key.scopes.join(', ')} and ${lifeOf(key)}.`;
      return { lines: withSecret(says, secret), takeBack: ({ message }) => revokeUnseen(keys, key, message) };
    };
  }
  if (command === 'rotate') {
    const [id] = operands;
    if (id === undefined || operands.length > 1) throw new UsageError('rotate needs the ID of one key');
    const rotation = {
      id,
      overlapSeconds: parseSeconds(options['overlap-seconds']),
      expiresAt: parseTime(options['expires-at']),
    };
    return async (keys) => {
      const { key, secret } = await keys.rotate(rotation, commandLine);
      const says = `API key ${id} (${key.name}) has a new secret and ${lifeOf(key)}. The secret before ends at ${key.previousEndsAt?.toISOString()}.`;
      return { lines: withSecret(says, secret), takeBack: ({ message }) => tellUnseen(key, message) };
    };
  }
  if (command === 'list') {
    if (operands.length > 0) throw new UsageError(`list takes no ${operands[0]}`);
    return async (keys) => ({ lines: table(await keys.list(), new Date()) });
  }
  if (command === 'revoke') {
    const [id] = operands;
    if (id === undefined || operands.length > 1) throw new UsageError('revoke needs the ID of one key');
    return async (keys) => {
      const { name, revokedAt } = await keys.revoke(id, commandLine);
      return { lines: [`API key ${id} (${name}) is revoked since ${revokedAt?.toISOString()}.`] };
    };
  }
  throw new UsageError(command === undefined ? 'a command is missing' : `there is no command ${command}`);
}

/** The options of each command. */
const optionsOf: Readonly<Record<string, readonly string[]>> = {
  create: ['name', 'scopes', 'expires-at'],
  rotate: ['expires-at', 'overlap-seconds'],
};

function checkOptions(command: string | undefined, options: object): void {
  if (command === undefined) return;
  const foreign = Object.keys(options).find((option) => !optionsOf[command]?.includes(option));
  if (foreign === undefined) return;
  const owners = Object.keys(optionsOf).filter((owner) => optionsOf[owner]?.includes(foreign));
  throw new UsageError(`--${foreign} belongs to ${owners.join(' and ')}`);
}

function withSecret(says: string, secret: string): string[] {
  return [says, 'Keep the secret now; it cannot be shown again:', secret];
}

/** Nobody has seen the new secret; the one before still counts, for as long as it overlaps. */
async function tellUnseen({ id, name, previousEndsAt }: ApiKey, why: string): Promise<never> {
  throw new KnownFailure(
    `The new secret of API key ${id} (${name}) was not written, and the one before ends at ${previousEndsAt?.toISOString()}: rotate the key again. ${why}`,
  );
}

/** Nobody has seen the secret, so that nobody can use the key. */
async function revokeUnseen(keys: ApiKeys, { id, name }: ApiKey, why: string): Promise<never> {
  const state = await keys.revoke(id, commandLine).then(
    () => 'is revoked',
    (error: unknown) =>
      `could not be revoked (${reasonOf(error)}); do it with: ${asTyped(`npm run api-key -- revoke ${id}`)}`,
  );
  throw new KnownFailure(`The secret was not written, and API key ${id} (${name}) ${state}. ${why}`);
}

function parseScopes(text: string): Scope[] {
  const words = text.split(',').map((word) => word.trim().toLowerCase());
  const known: readonly string[] = scopes;
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new UsageError(`--scopes knows ${scopes.join(', ')}, not "${unknown}"`);
  return scopesAmong(words);
}

function parseSeconds(text: string | undefined): number {
  if (text === undefined) return defaultLimits.keyOverlapSeconds.default;
  if (!/^\d+$/.test(text)) throw new UsageError('--overlap-seconds must be a whole number');
  return Number(text);
}

function parseTime(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  if (!isoTime.safeParse(text).success) throw new UsageError('--expires-at must be an ISO 8601 time or date');
  return new Date(text);
}

function lifeOf({ expiresAt }: ApiKey): string {
  return expiresAt ? `expires at ${expiresAt.toISOString()}` : 'does not expire';
}

function table(keys: readonly ApiKey[], now: Date): string[] {
  const rows = [
    ['ID', 'NAME', 'PREFIX', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED', 'STATE'],
    ...keys.map((key) => [
      key.id,
      key.name,
      key.prefix ?? '-',
      key.scopes.join(','),
      key.createdAt.toISOString(),
      key.expiresAt?.toISOString() ?? 'never',
      key.lastUsedAt?.toISOString() ?? '-',
      stateOf(key, now),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function stateOf({ revokedAt, expiresAt, previousEndsAt }: ApiKey, now: Date): string {
  if (revokedAt) return `revoked ${revokedAt.toISOString()}`;
  if (expiresAt && expiresAt <= now) return 'expired';
  return previousEndsAt && previousEndsAt > now
    ? `good, as is its previous secret until ${previousEndsAt.toISOString()}`
    : 'good';
}

async function run({ args, environment, output }: CommandLine): Promise<void> {
  if (asksForHelp(args)) return output.log(apiKeyHelp);
  const command = parseCommand(args);
  for (const doubt of doubtsAbout(environment)) output.error(`api-key: ${doubt}`);
  const { databaseUrl, databaseDirectUrl } = parseConfig(environment);
  const isNew = providerOf(databaseUrl) === 'sqlite' && !existsSync(sqlitePath(databaseUrl));
  await migrate(databaseDirectUrl ?? databaseUrl, undefined, {
    onWait: (seconds) =>
      output.error(`api-key: waiting for another process, which migrates the database (${seconds} s)`),
  });
  const database = await openDatabase(databaseUrl);
  try {
    const { lines, takeBack } = await command(new ApiKeys({ database, limits: defaultLimits }));
    try {
      if (isNew)
        output.log(`Made a new database, ${databaseUrl}. A server that runs does not use it before it starts again.`);
      for (const line of lines) output.log(line);
    } catch (error) {
      if (takeBack && error instanceof UnprintedError) await takeBack(error);
      throw error;
    }
  } finally {
    await database.close();
  }
}

function failure(error: unknown): { line: string; status: 1 | 2 } {
  if (error instanceof UsageError) return { line: `${error.message} (see --help)`, status: 2 };
  if (error instanceof AppError && error.code === 'BAD_USER_INPUT') return { line: inOptions(error), status: 2 };
  const [line] = failureText(error).split('\n', 1);
  return { line: line ?? '', status: failureStatus(error) };
}

/** What is wrong with an option's value: GraphQL calls it `expiresAt`, and the command `--expires-at`. */
function inOptions({ message, extensions: { argumentPath } }: AppError): string {
  const name = Array.isArray(argumentPath) ? String(argumentPath.at(-1)) : '';
  const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return message.startsWith(`${name} `) ? `${option}${message.slice(name.length)}` : message;
}

/** What a command was given, and where its lines go. */
export interface CommandLine {
  /** What follows the command's name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly output: Pick<Console, 'log' | 'error'>;
}

/**
 * Runs the command and returns its exit status. A failure is one line of `output.error`.
 * @throws UnprintedError of `output.log`, where nothing had to be taken back
 */
export async function runApiKeyCommand(given: CommandLine): Promise<0 | 1 | 2> {
  try {
    await run(given);
    return 0;
  } catch (error) {
    if (error instanceof UnprintedError) throw error;
    const { line, status } = failure(error);
    given.output.error(`api-key: ${line}`);
    return status;
  }
}
