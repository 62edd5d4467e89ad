import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const POSTRM = path.join(import.meta.dirname, 'debian/postrm');

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'exuvia-postrm-'));
  mkdirSync(path.join(root, 'bin'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Stands in for a program that would look at this machine's devices or mount one. */
function program(name: string, script: string) {
  const file = path.join(root, 'bin', name);
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> '${root}/log'\n${script}\n`);
  chmodSync(file, 0o755);
}

/** Runs the script's own function on a store in a directory; returns what was called. */
function scrubStore(): string[] {
  execFileSync('sh', ['-c', '. "$0"; store="$ROOT/store"; scrub_store', POSTRM], {
    env: { PATH: `${root}/bin:${process.env.PATH}`, ROOT: root },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return readFileSync(path.join(root, 'log'), 'utf8').trim().split('\n');
}

test('a purge overwrites the memory of VMs, and what an interrupted scrub has left', () => {
  program('mountpoint', 'exit 0');
  program('umount', '');
  const kept = ['vms/tiny', '.scrub/gone-1'].map((directory) => {
    const file = path.join(root, 'store', directory, 'ram');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, 'secret');
    const link = path.join(root, directory.replaceAll('/', '-'));
    linkSync(file, link);
    return link;
  });
  scrubStore();
  for (const link of kept) expect(readFileSync(link)).toEqual(Buffer.alloc(6));
  expect(existsSync(path.join(root, 'store/vms'))).toBe(false);
  expect(existsSync(path.join(root, 'store/.scrub'))).toBe(false);
});

test("a purge mounts persistent memory only, never a guest's disk with the store's label", () => {
  program('mountpoint', 'exit 1');
  program('mount', '');
  program('blkid', 'echo /dev/dm-3; echo /dev/sdb');
  expect(scrubStore().filter((call) => call.startsWith('mount '))).toEqual([]);
  program('blkid', 'echo /dev/sdb; echo /dev/pmem0');
  expect(scrubStore().filter((call) => call.startsWith('mount '))).toEqual([
    `mount -o nosuid,nodev,noexec /dev/pmem0 ${root}/store`,
  ]);
});
