import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { once, toEventStream } from '../../src/transports/sse.ts';

const format = { write: () => 'data\n\n', end: () => '', heartbeat: ':\n\n' };

/** The results of a stream that is made for a client, who has left before it begins. */
function resultsOfUnreadStream(): WeakRef<object> {
  const results = once({});
  toEventStream(results, format, 3_600_000);
  return new WeakRef(results);
}

test('a stream that nobody begins to read is forgotten', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  const results = resultsOfUnreadStream();
  await expect
    .poll(() => {
      collectGarbage();
      return results.deref() === undefined;
    })
    .toBe(true);
});
