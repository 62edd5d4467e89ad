import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type CpioEntry, run } from '@exuvia/sys';
import { openApt } from '../image/apt.ts';
import type { Base } from '../image/base.ts';
import { unpack } from '../kernel-guests/kernels.ts';
import { cached, keyOf, keyOfFiles } from '../support/cache.ts';
import { makeGuestInitramfs } from './initramfs.ts';
import { guestProgram } from './program.ts';

/** What it is made by. */
const SOURCES = ['with-agent.ts', 'initramfs.ts'].map((name) => join(import.meta.dirname, name));
const LIBRARIES = 'usr/lib/x86_64-linux-gnu';
const LOADER = 'usr/lib64/ld-linux-x86-64.so.2';

/** The guests' initramfs with Debian's qemu-guest-agent and a driver for vsock in it; made once for each base. */
export async function initramfsWithAgent(base: Base): Promise<string> {
  const program = await guestProgram();
  const release = base.pins.kernels.old;
  const key = keyOf(base.key, program.key, release, await keyOfFiles(SOURCES));
  const folder = await cached('guest-with-agent', key, async (into) => {
    await mkdir(into, { recursive: true });
    await makeGuestInitramfs(join(into, 'initrd'), {
      ...{ init: program.path, root: base.root, release },
      modules: ['vmw_vsock_virtio_transport'],
      files: await agentFiles(base),
    });
  });
  return join(folder, 'initrd');
}

/** The agent as its package has it, with the libraries of the lab host: both are of the same Debian. */
async function agentFiles(base: Base): Promise<CpioEntry[]> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-guest-agent-'));
  try {
    const apt = await openApt(join(work, 'apt'), base.mirror);
    await unpack(apt, ['qemu-guest-agent'], join(work, 'root'), join(work, 'debs'));
    const agent = join(work, 'root/usr/sbin/qemu-ga');
    const loader = join(base.root, LOADER);
    const { stdout } = await run(loader, ['--library-path', join(base.root, LIBRARIES), '--list', agent]);
    const libraries = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path = '']) => path);
    return [
      await program(agent, 'usr/sbin/qemu-ga'),
      await program(loader, 'lib64/ld-linux-x86-64.so.2'),
      ...(await Promise.all(
        libraries.map((path) => program(path, `lib/x86_64-linux-gnu/${basename(path)}`)),
      )),
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function program(from: string, path: string): Promise<CpioEntry> {
  return { type: 'file', path, mode: 0o755, data: await readFile(await realpath(from)) };
}
