import { chmod, glob, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The second QEMU of the lab's root file system, which has the libraries that it needs. */
export async function findNewQemu(): Promise<string | null> {
  const cache = process.env.EXUVIA_CACHE ?? join(homedir(), '.cache', 'exuvia');
  for await (const binary of glob(`${cache}/base-*/root/opt/qemu-*/usr/bin/qemu-system-x86_64`))
    return binary;
  return null;
}

/** A script that runs a QEMU of another root file system with that one's libraries. */
export async function writeQemuScript(path: string, binary: string): Promise<void> {
  const own = dirname(dirname(binary));
  const root = dirname(dirname(dirname(own)));
  const firmware = [join(own, 'share/qemu'), join(root, 'usr/share/seabios'), join(root, 'usr/share/qemu')];
  await mkdir(dirname(path), { recursive: true });
  await writeFile(
    path,
    `#!/bin/sh
exec ${root}/usr/lib64/ld-linux-x86-64.so.2 --library-path ${root}/usr/lib/x86_64-linux-gnu ${binary} "$@" ${firmware.map((one) => `-L ${one}`).join(' ')}
`,
  );
  await chmod(path, 0o755);
}
