import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Whether this process may mount, as root may outside of most containers; where not, that is said loudly. */
export const mayMount = tryToMount();

function tryToMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'synclog-mount-'));
  const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/x" 2>/dev/null';
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', 'sh', '-c', script, folder], {
    stdio: 'ignore',
  });
  rmSync(folder, { recursive: true });
  if (status === 0) return true;
  process.stderr.write('\n*** NOTHING CAN BE MOUNTED HERE: no server is tried on a read-only root file system ***\n\n');
  return false;
}

/** Where the Node that runs the tests is, inside of a container. */
const NODE = '/node/node';

/**
 * A command line that runs Node as a container would: as the first process, in a root file system that is mounted
 * read-only, as somebody, with `app` at `/app` and `data`, the only place that can be written to, at `/data`.
 * The network is the machine's.
 */
export function inContainer(app: string, data: string, user: string, args: readonly string[]): [string, string[]] {
  const image = mkdtempSync(join(tmpdir(), 'synclog-root-'));
  onTestFinished(() => rmSync(image, { recursive: true }));
  chmodSync(image, 0o755);
  const system = ['usr', 'etc', 'bin', 'lib', 'lib64'].filter((name) => existsSync(`/${name}`));
  for (const name of system) {
    if (lstatSync(`/${name}`).isSymbolicLink()) symlinkSync(readlinkSync(`/${name}`), join(image, name));
    else mkdirSync(join(image, name));
  }
  for (const name of ['app', 'data', 'proc', 'dev', 'tmp']) mkdirSync(join(image, name));
  mkdirSync(join(image, dirname(NODE)));
  writeFileSync(join(image, NODE), '');
  const folders = system.filter((name) => !lstatSync(`/${name}`).isSymbolicLink());
  const script = `
    set -e
    cd "$1"
    mount --bind . . && cd "$1"
    for name in ${folders.join(' ')} dev; do mount --rbind "/$name" "$name"; done
    mount --bind "$2" app; mount --bind "$3" data; mount --bind "$4" .${NODE}
    for place in ${folders.join(' ')} app .${NODE} .; do mount -o remount,bind,ro "$place"; done
    mount -t proc proc proc
    for place in . app usr tmp; do if touch "$place/x" 2>/dev/null; then echo "$place can be written to" >&2; exit 97; fi; done
    shift 4
    exec chroot --userspec="$1" . ${NODE} "\${@:2}"`;
  return [
    'unshare',
    [
      '--mount',
      '--pid',
      '--fork',
      'bash',
      '-c',
      script,
      'container',
      image,
      app,
      data,
      process.execPath,
      user,
      ...args,
    ],
  ];
}
