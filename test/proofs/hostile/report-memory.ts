import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Loaded into a server under attack: SIGUSR2 collects its garbage and prints what is left.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // V8's own, by the flag above

process.on('SIGUSR2', () => {
  collect();
  collect(); // what finalizers let go of in the first collection is freed by the second
  const { heapUsed, rss } = process.memoryUsage();
  const sockets = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  process.stdout.write(`${JSON.stringify({ hostile: { heapUsed, rss, sockets } })}\n`);
});
