import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { type Finding, findingsOf, sizeText } from './finding.ts';

const { ok, warning } = findingsOf('machine');

/** Open files beside those of streams: requests' connections, the database, Redis, and the process's own. */
const OTHER_FILES = 1_000;
/** What an idle server takes. */
const IDLE_BYTES = 160_000_000;
/** Answers that are kept, and what is being answered, come on top of that. */
const ENOUGH_MEMORY = 400_000_000;
/** What a socket or a stream takes at most. */
const STREAM_BYTES = 50_000;

/**
 * The process's own bounds: Node, memory, open files.
 * @param maxStreams how many sockets and streams the settings let in, each of which takes memory, and may be an open file
 */
export function lookAtMachine(maxStreams: number): Finding[] {
  // Without a bound of its own, a process is told a number beyond any machine.
  const available = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return [
    ok(`Node.js ${process.versions.node} on ${process.platform} ${process.arch}`),
    memory(available),
    ...memoryOfStreams(available, maxStreams * STREAM_BYTES),
    ...openFiles(maxStreams + OTHER_FILES),
  ];
}

function memory(available: number): Finding {
  const heap = getHeapStatistics().heap_size_limit;
  if (available < ENOUGH_MEMORY)
    return warning(
      `${sizeText(available)} of memory`,
      `give it ${sizeText(ENOUGH_MEMORY)} or more, or set CACHE=off, which keeps no answers`,
    );
  if (heap > available)
    return warning(
      `the heap may grow to ${sizeText(heap)}, and there are ${sizeText(available)} of memory`,
      `set NODE_OPTIONS=--max-old-space-size=${Math.floor((available * 0.75) / 1_048_576)}, so that it is not killed`,
    );
  return ok(`${sizeText(available)} of memory, of which the heap may take ${sizeText(heap)}`);
}

function memoryOfStreams(available: number, needed: number): Finding[] {
  if (IDLE_BYTES + needed <= available) return [];
  return [
    warning(
      `the streams that MAX_STREAMS lets in may take ${sizeText(needed)}, and there are ${sizeText(available)} of memory`,
      'lower MAX_STREAMS to what there is memory for, and start another instance where more are needed',
    ),
  ];
}

function openFiles(needed: number): Finding[] {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return []; // other systems do not tell
  }
  const [, soft = ''] = /^Max open files +(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft !== 'unlimited' && Number(soft) < needed)
    return [
      warning(
        `${soft} files may be open at once, and the streams that MAX_STREAMS lets in may need ${needed}`,
        `raise it: \`ulimit -n\`, LimitNOFILE= of systemd, or --ulimit nofile= of a container; or lower MAX_STREAMS`,
      ),
    ];
  return [ok(`${soft} files may be open at once`)];
}
