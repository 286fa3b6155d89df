import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own in memory, which can be full or read-only. */
export interface SmallDisk {
  readonly folder: string;
  /** Leaves no room. */
  fill(): void;
  /** Gives back what `fill` took. */
  free(): void;
  /** Nobody may have a file open for writing. */
  setReadOnly(isReadOnly: boolean): void;
  remove(): void;
}

/** Whether this process may mount. Where it may not, what needs a disk that is full is said to be skipped. */
export function hasSmallDisk(): boolean {
  try {
    createSmallDisk(1).remove();
    return true;
  } catch {
    process.stderr.write('\n*** THIS USER MAY NOT MOUNT: everything about full disks is SKIPPED (run as root) ***\n\n');
    return false;
  }
}

export function createSmallDisk(megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-disk-'));
  const ballast = join(folder, 'ballast');
  const run = (command: string, ...options: string[]) => execFileSync(command, options, { stdio: 'pipe' });
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  chmodSync(folder, 0o777);
  return {
    folder,
    fill() {
      for (let size = megabytes * 2 ** 20; size > 0; size = Math.floor(size / 2))
        try {
          for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
        } catch {}
    },
    free: () => rmSync(ballast, { force: true }),
    setReadOnly: (isReadOnly) => run('mount', '-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, folder),
    remove() {
      run('umount', '--lazy', folder);
      rmSync(folder, { recursive: true });
    },
  };
}
