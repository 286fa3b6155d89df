import { once } from 'node:events';
import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { connectTo } from '../support/connection.ts';
import { shareUnchangedServer } from '../support/no-change.ts';
import { rest } from '../support/rest-client.ts';
import type { TestServer } from '../support/server.ts';

let server: TestServer;
shareUnchangedServer((shared) => {
  server = shared;
});

/** Pages and scripts, with what a browser accepts of them. */
const texts = [
  ['/graphql', 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8'],
  ['/docs', 'text/html'],
  ['/docs/swagger-ui-bundle.js', '*/*'],
  ['/docs/swagger-ui.css', 'text/css'],
  ['/openapi.json', 'application/json'],
] as const;

/** The bytes of a body, as they came. */
function bytesOf(path: string, headers: Record<string, string>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    request(`${server.url}${path}`, { headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve(Buffer.concat(chunks));
    })
      .once('error', reject)
      .end();
  });
}

const decoders = { br: brotliDecompressSync, gzip: gunzipSync, identity: (bytes: Buffer) => bytes };

describe.each(texts)('%s', (path, accept) => {
  test('comes compressed as its client takes it, and is the same in every form', async () => {
    const whole = await bytesOf(path, { accept });
    for (const [accepted, encoding] of [
      ['gzip, deflate, br, zstd', 'br'],
      ['gzip, deflate', 'gzip'],
      ['br;q=0, gzip;q=0.5', 'gzip'],
      ['GZIP', 'gzip'],
      ['identity', 'identity'],
      ['br;q=0', 'identity'],
      ['', 'identity'],
    ] as const) {
      const headers = { accept, 'accept-encoding': accepted };
      const { headers: given } = await rest(server.url + path, { method: 'HEAD', headers });
      const isSmall = whole.byteLength < 1_024;
      const expected = isSmall ? 'identity' : encoding;
      expect([accepted, given['content-encoding'] ?? 'identity', given.vary]).toEqual([
        accepted,
        expected,
        'Accept-Encoding',
      ]);
      const bytes = await bytesOf(path, headers);
      expect(Number(given['content-length'])).toBe(bytes.byteLength);
      expect(decoders[expected](bytes).equals(whole)).toBe(true);
      if (expected !== 'identity') expect(bytes.byteLength).toBeLessThan(whole.byteLength / 2);
    }
  });

  test('is loaded once: who has it is told so by its hash', async () => {
    for (const accepted of ['br', 'gzip', '']) {
      const headers = { accept, 'accept-encoding': accepted };
      const { headers: given } = await rest(server.url + path, { method: 'HEAD', headers });
      expect(given.etag).toMatch(/^"[\w-]{43}(?:-br|-gzip)?"$/);
      expect(given['cache-control']).toBe('private, no-cache');
      for (const etag of [given.etag ?? '', `W/${given.etag}`, `"x", ${given.etag}`, '*']) {
        const again = await rest(server.url + path, { headers: { ...headers, 'if-none-match': etag } });
        expect([etag, again.status, again.text, again.headers.etag]).toEqual([etag, 304, '', given.etag]);
        // A browser goes on with the policy of the newest answer.
        expect(again.headers['content-security-policy']).toBe(given['content-security-policy']);
      }
      const other = await rest(server.url + path, { method: 'HEAD', headers: { ...headers, 'if-none-match': '"x"' } });
      expect(other.status).toBe(200);
    }
  });
});

test('who asks for the largest page and does not take it keeps no copy of it', async () => {
  const page = (await bytesOf('/graphql', { accept: 'text/html' })).byteLength;
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 20 }, () => connectTo(server.url));
  try {
    for (const reader of readers) {
      reader.write('GET /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n');
      await once(reader, 'readable');
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * page);
  } finally {
    for (const reader of readers) reader.destroy();
  }
});
