import { initMessage, openRawSocket } from '../../support/raw-socket.ts';
import { brokenLayers } from './broken-layers.ts';
import { textOf, toCommand } from './input.ts';
import { leaksIn, type Secret } from './judge.ts';
import { inLanes } from './lanes.ts';
import type { Line } from './line.ts';
import { probesOf } from './probes.ts';
import { type Answer, send } from './send.ts';
import { anothersWords, startTarget, type Target } from './target.ts';

const LANES = 4;

const planted = 'planted-value-of-the-environment';
const environment: readonly Secret[] = [{ name: 'a value of the environment', text: planted }];

/** While layers fail for real, no byte of an answer holds anything of their inside, and no line of the log a secret. */
export async function proveNoLeaks({ patienceMs }: { readonly patienceMs: number }): Promise<Line> {
  const wrong = new Map<string, string>();
  const tally = { layers: 0, answers: 0, bytes: 0, failed: 0, logged: 0 };
  for (const [name, open] of brokenLayers) {
    const layer = await open();
    if (!layer) continue;
    try {
      const target = await startTarget({ ...layer.settings, PLANTED: planted, LOG_LEVEL: 'debug' });
      const secrets = [...target.secrets, ...layer.secrets, ...environment];
      const found = (leak: string, what: string) => {
        if (!wrong.has(`${name}: ${leak}`)) wrong.set(`${name}: ${leak}`, what);
      };
      try {
        const stream = await listen(target);
        await layer.fail();
        await inLanes(probesOf(target), LANES, async ([credential, input]) => {
          const answer = await send(target.url, input, 3 * patienceMs);
          const owned = /^(user|nobody|foreign)/.test(credential) ? [...secrets, anothersWords] : secrets;
          for (const leak of leaksIn(answer, textOf(input), owned))
            found(`shows ${leak}`, toCommand(input, target.url));
          if (answer.gone) found('the server is gone', toCommand(input, target.url));
          tally.answers += 1;
          tally.bytes += answer.text.length;
          if (isFailure(answer)) tally.failed += 1;
        });
        for (const leak of leaksIn({ text: stream.leave(), type: '' }, '', secrets))
          found(`a stream shows ${leak}`, '');
        const log = target.output.join('\n');
        tally.logged += log.length;
        for (const { name: secret, text } of [...secrets, anothersWords])
          if (log.includes(text) && !isPlace(secret)) found(`the log has ${secret}`, '');
        tally.layers += 1;
      } finally {
        await target.remove();
      }
    } finally {
      await layer.remove();
    }
  }
  return {
    promise: 'no layer that fails shows what is inside',
    figures: {
      'layers that fail': tally.layers,
      answers: tally.answers,
      'failures among them': tally.failed,
      'bytes searched': tally.bytes,
      'bytes of logs': tally.logged,
    },
    wrong: [...wrong].map(([leak, command]) => `${leak}\n      ${command.slice(0, 1_000)}`),
  };
}

/** Where things are is for the operator to read. */
const isPlace = (secret: string) => /folder|path|planted-path|says/.test(secret);

const isFailure = ({ status, text }: Answer) => status >= 500 || /UNAVAILABLE|INTERNAL_SERVER_ERROR/.test(text);

/** A stream that is open while the layer fails. */
async function listen({ url, admin, userIds: [userId] }: Target): Promise<{ leave(): string }> {
  const socket = await openRawSocket(url);
  socket.send(initMessage(admin));
  const query = `subscription { syncEvents(userId: "${userId}", replayLast: 1) { cursor } }`;
  socket.send({ type: 'subscribe', id: '1', payload: { query } });
  let heard = socket.head;
  const hear = async () => {
    for (;;) heard += `\n${JSON.stringify(await socket.next())}`;
  };
  hear().catch((error: Error) => {
    heard += error.message;
  });
  return {
    leave() {
      socket.cut();
      return heard;
    },
  };
}
