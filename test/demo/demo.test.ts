import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demoPeople } from '../../src/demo/people.ts';
import { startServer } from '../support/server.ts';
import { unsetSettings } from '../support/unset-settings.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'synclog-demo-'));
const databaseUrl = `file:${join(folder, 'demo.db')}`;
const [{ id: adaId }] = demoPeople;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A command in a process of its own, with its output line by line. */
class Command {
  readonly lines: string[] = [];
  readonly errorLines: string[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #printed = new EventTarget();

  constructor(command: string, args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, { cwd: root, env: { ...process.env, ...settings } });
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
    const { stdout, stderr } = this.#child;
    if (stdout) createInterface(stdout).on('line', (line) => this.#print(this.lines, line));
    if (stderr) createInterface(stderr).on('line', (line) => this.#print(this.errorLines, line));
  }

  /** The first line of the output, printed or yet to come, that fits. */
  async line(fits: (line: string) => boolean): Promise<string> {
    const over = this.ended.then(({ code }) => {
      throw new Error(
        `ended with ${code} before it printed the line: ${[...this.lines, ...this.errorLines].join('\n')}`,
      );
    });
    for (;;) {
      const line = this.lines.find(fits);
      if (line !== undefined) return line;
      await Promise.race([once(this.#printed, 'line'), over]);
    }
  }

  stop(signal: NodeJS.Signals = 'SIGTERM') {
    this.#child.kill(signal);
    return this.ended;
  }

  #print(lines: string[], line: string): void {
    lines.push(line);
    this.#printed.dispatchEvent(new Event('line'));
  }
}

function startDemo(settings: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Command {
  const own = { ...unsetSettings, HOST: '127.0.0.1', PORT: '0', DATABASE_URL: databaseUrl, ...settings };
  return new Command(process.execPath, ['--import', 'tsx', 'src/demo/command.ts', ...args], own);
}

const isReady = (line: string) => line.startsWith('Live syncs are coming in');

/** What a demo that is ready has printed. */
interface Printed {
  readonly url: string;
  readonly apiKey: string;
  readonly curls: readonly string[];
}

async function printedBy(demo: Command): Promise<Printed> {
  await demo.line(isReady);
  const text = demo.lines.join('\n');
  return {
    url: /GraphiQL +(http:\S+)\/graphql$/m.exec(text)?.[1] ?? '',
    apiKey: /API key +(sk-[0-9a-f]{64})$/m.exec(text)?.[1] ?? '',
    curls: demo.lines.filter((line) => line.startsWith('curl ')),
  };
}

const head = `{ user(id: "${adaId}") { headCursor } users(first: 20) { edges { cursor } } }`;

/** What a printed command prints in its turn. */
async function runInBash(command: string): Promise<string> {
  const bash = new Command('bash', ['-c', command]);
  expect(await bash.ended).toEqual({ code: 0, signal: null });
  return bash.lines.join('\n');
}

async function graphql({ url, apiKey }: Printed, query: string, headers?: Readonly<Record<string, string>>) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(headers ?? { 'x-api-key': apiKey }) },
    body: JSON.stringify({ query }),
  });
  return { status: response.status, ...(await response.json()) };
}

describe('npm run demo', () => {
  let demo: Command;
  let printed: Printed;

  beforeAll(async () => {
    demo = startDemo();
    printed = await printedBy(demo);
  });
  afterAll(() => demo.stop());

  test('says what it loaded, where GraphiQL is, the key and three commands, in a few lines', () => {
    expect(printed.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(printed.apiKey).not.toBe('');
    expect(printed.curls).toHaveLength(3);
    expect(demo.lines[1]).toMatch(/^Loaded [\d,]+ events of 12 users in [\d.]+ s into file:/);
    expect(demo.lines.length).toBeLessThan(15);
    expect(demo.errorLines).toEqual([]);
  });

  test('prints a query that works as it is', async () => {
    const command = printed.curls.find((curl) => curl.includes('query={')) ?? '';
    const { data, errors } = JSON.parse(await runInBash(command));
    expect(errors).toBeUndefined();
    expect(data.user.firstName).toBe('Ada');
    expect(data.user.recentSyncEvents).toHaveLength(3);
  });

  test('prints a REST request that works as it is', async () => {
    const command = printed.curls.find((curl) => curl.includes('/api/v1/')) ?? '';
    const events = JSON.parse(await runInBash(command));
    expect(events).toHaveLength(5);
    for (const event of events) expect(event.user_id).toBe(adaId);
  });

  test('prints a subscription that works as it is, and brings the syncs that happen', async () => {
    const command = printed.curls.find((curl) => curl.includes('subscription {')) ?? '';
    const startedAt = Date.now();
    const curl = new Command('bash', ['-c', `exec ${command}`]);
    const line = await curl.line((text) => {
      if (!text.startsWith('data: {')) return false;
      const { events } = JSON.parse(text.slice('data: '.length)).data.syncEvents;
      return events.some(({ timestamp }: { timestamp: string }) => Date.parse(timestamp) > startedAt);
    });
    expect(line).toContain('"message"');
    await curl.stop();
  });

  test('fills its key into the tabs of GraphiQL', async () => {
    const response = await fetch(`${printed.url}/graphql`, { headers: { accept: 'text/html' } });
    const html = await response.text();
    expect(html).toContain(printed.apiKey);
    expect(html).toContain(adaId);
  });

  test('has all its people, with logs that were recorded in order of time', async () => {
    const query = `{
      users(first: 20) { edges { node { id headCursor syncEvents(first: 1) { edges { node { timestamp } } } } } }
      user(id: "${adaId}") { syncEvents(first: 200) { edges { node { timestamp } } } }
    }`;
    const { data } = await graphql(printed, query);
    const users: { id: string; headCursor: string }[] = data.users.edges.map((edge: { node: object }) => edge.node);
    expect(users.map(({ id }) => id).sort()).toEqual(demoPeople.map(({ id }) => id).sort());
    for (const { headCursor } of users) expect(Number(headCursor)).toBeGreaterThan(10);
    const times = data.user.syncEvents.edges.map((edge: { node: { timestamp: string } }) => edge.node.timestamp);
    expect(times).toEqual([...times].sort());
    expect(Date.parse(times[0])).toBeLessThan(Date.now() - 20 * 86_400_000);
  });

  test('can make tokens for its users, and may record, but is no administrator', async () => {
    const { data } = await graphql(printed, `mutation { createUserToken(userId: "${adaId}") { token } }`);
    const headers = { authorization: `Bearer ${data.createUserToken.token}` };
    expect((await graphql(printed, '{ viewer { scopes } }', headers)).errors).toBeUndefined();
    const viewer = await graphql(printed, '{ viewer { scopes } }');
    expect(viewer.data.viewer.scopes).toEqual(['READ', 'WRITE']);
  });

  test('gives way where the port is taken, and leaves the demo alone that has it', async () => {
    const { port } = new URL(printed.url);
    const other = startDemo({ PORT: port });
    expect(await other.ended).toEqual({ code: 1, signal: null });
    expect(other.errorLines).toEqual([
      `demo: port ${port} is taken; choose another one, such as PORT=4001 npm run demo`,
    ]);
    expect(other.lines).toEqual([]);
    expect((await graphql(printed, '{ viewer { scopes } }')).status).toBe(200);
  });
});

describe('a demo that is started again', () => {
  test('keeps what an earlier one recorded, and its key', async () => {
    const first = startDemo();
    const before = await printedBy(first);
    const { data } = await graphql(before, head);
    expect(await first.stop('SIGINT')).toEqual({ code: 0, signal: null });

    const second = startDemo();
    const after = await printedBy(second);
    expect(second.lines[0]).toMatch(/^Kept the [\d,]+ events of earlier starts in file:/);
    const again = await graphql(after, head);
    expect(Number(again.data.user.headCursor)).toBeGreaterThanOrEqual(Number(data.user.headCursor));
    expect(again.data.users.edges).toHaveLength(demoPeople.length);
    expect(after.apiKey).toBe(before.apiKey);
    await second.stop();
  });

  test('has a whole history when the loading of an earlier one was cut short', async () => {
    const settings = { DATABASE_URL: `file:${join(folder, 'cut-short.db')}` };
    const first = startDemo(settings);
    await first.line((line) => line.startsWith('Loading'));
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    expect(first.lines.some((line) => line.startsWith('Loaded'))).toBe(false);

    const second = startDemo(settings);
    await second.line((line) => line.startsWith('Loaded'));
    await second.stop();
  });
});

describe('a demo that is told to stop', () => {
  test('ends its streams with a cursor to resume from, and exits with 0', async () => {
    const demo = startDemo();
    const { curls } = await printedBy(demo);
    const curl = new Command('bash', ['-c', `exec ${curls.find((line) => line.includes('subscription {'))}`]);
    await curl.line((line) => line.startsWith('data: {'));
    expect(await demo.stop()).toEqual({ code: 0, signal: null });
    expect(demo.errorLines).toEqual([]);
    expect(await curl.ended).toEqual({ code: 0, signal: null });
    const last = curl.lines.findLast((line) => line.startsWith('data: {')) ?? '';
    expect(JSON.parse(last.slice('data: '.length)).errors[0].extensions).toEqual({
      code: 'UNAVAILABLE',
      cursor: expect.stringMatching(/^\d+$/),
    });
  });
});

describe('a demo that cannot start', () => {
  test.each([
    [{ PORT: '70000' }, [], 'demo: bad settings: PORT must be a whole number, 0 to 65535'],
    [
      { DATABASE_URL: 'mysql://x', JWT_SECRET: 'short' },
      [],
      'demo: bad settings: DATABASE_URL must be a file: or postgresql: URL, such as file:./data/synclog.db; JWT_SECRET must be at least 16 characters',
    ],
    [{}, ['--port', '1'], "demo: Unknown option '--port' (see --help)"],
  ])('says why in one line: %j %j', async (settings, args, line) => {
    const demo = startDemo(settings, args);
    expect(await demo.ended).toEqual({ code: 2, signal: null });
    expect(demo.errorLines).toEqual([line]);
    expect(demo.lines).toEqual([]);
  });

  test('does not mix its people into a database that others have filled', async () => {
    const server = await startServer();
    await server.user();
    const demo = startDemo({ DATABASE_URL: server.databaseUrl });
    expect((await demo.ended).code).toBe(1);
    expect(demo.errorLines).toEqual([
      `demo: ${server.databaseUrl} holds data that is not the demo's; set DATABASE_URL to a database of its own`,
    ]);
    const { data } = await server.graphql('{ users { edges { cursor } } }');
    expect(data.users.edges).toHaveLength(1);
    await server.close();
  });

  test('says so in one line where its database is no database', async () => {
    const demo = startDemo({ DATABASE_URL: `file:${folder}` });
    expect(await demo.ended).toEqual({ code: 1, signal: null });
    expect(demo.errorLines).toEqual([expect.stringMatching(/^demo: .+/)]);
  });
});

test('--help tells how to use the demo and starts nothing', async () => {
  const demo = startDemo({ DATABASE_URL: `file:${join(folder, 'untouched.db')}` }, ['--help']);
  expect(await demo.ended).toEqual({ code: 0, signal: null });
  expect(demo.lines.join('\n')).toContain('npm run demo');
  expect(existsSync(join(folder, 'untouched.db'))).toBe(false);
});
