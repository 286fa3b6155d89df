import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used up to a moment. */
export interface Usage {
  /** CPU of all its threads, user and system, in microseconds. */
  readonly cpuMicros: number;
  /** Resident memory in bytes. */
  readonly residentBytes: number;
}

/** Reads `/proc`. @throws when there is no such process */
export function usageOf(pid: number): Usage {
  const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { cpuMicros: cpuOf(pid), residentBytes: Number(resident) * 1024 };
}

/**
 * The scheduler counts nanoseconds for each thread, where `stat` counts hundredths of a second for the process. What
 * threads had used that have ended is missing, but a server of Node ends none while it serves.
 */
function cpuOf(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
  return nanoseconds / 1_000;
}
