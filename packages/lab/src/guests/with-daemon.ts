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
const SOURCES = ['with-daemon.ts', 'initramfs.ts'].map((name) => join(import.meta.dirname, name));
const LIBRARIES = 'usr/lib/x86_64-linux-gnu';
const LOADER = 'usr/lib64/ld-linux-x86-64.so.2';

/** A program of Debian's that the guest's init starts when it is there (native/guest/channels.h). */
interface GuestDaemon {
  readonly package: string;
  readonly program: string;
  /** Drivers that it needs, or that go with it. */
  readonly modules: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

export const GUEST_AGENT: GuestDaemon = {
  package: 'qemu-guest-agent',
  program: 'usr/sbin/qemu-ga',
  modules: ['vmw_vsock_virtio_transport'],
  files: {},
};

/** It keeps the guest's clock at the host's, as docs/vms.md says. */
export const CHRONY: GuestDaemon = {
  package: 'chrony',
  program: 'usr/sbin/chronyd',
  modules: ['ptp_kvm'],
  files: {
    'etc/chrony.conf': 'refclock PHC /dev/ptp0 poll 2\nmakestep 0.1 -1\n',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
  },
};

/** The guests' initramfs with one of these in it; made once for each base. */
export async function initramfsWith(daemon: GuestDaemon, base: Base): Promise<string> {
  const program = await guestProgram();
  const release = base.pins.kernels.old;
  const key = keyOf(base.key, program.key, release, await keyOfFiles(SOURCES));
  const folder = await cached(`guest-with-${daemon.package}`, key, async (into) => {
    await mkdir(into, { recursive: true });
    await makeGuestInitramfs(join(into, 'initrd'), {
      ...{ init: program.path, root: base.root, release },
      modules: daemon.modules,
      files: await filesOf(daemon, base),
    });
  });
  return join(folder, 'initrd');
}

/** The program as its package has it, with the libraries of the lab host: both are of the same Debian. */
async function filesOf(daemon: GuestDaemon, base: Base): Promise<CpioEntry[]> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-guest-daemon-'));
  try {
    const apt = await openApt(join(work, 'apt'), base.mirror);
    await unpack(apt, [daemon.package], join(work, 'root'), join(work, 'debs'));
    const file = join(work, 'root', daemon.program);
    const loader = join(base.root, LOADER);
    const { stdout } = await run(loader, ['--library-path', join(base.root, LIBRARIES), '--list', file]);
    const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
    if (missing !== undefined)
      throw new Error(`${daemon.program} needs ${missing}, which the lab host lacks.`);
    const libraries = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path = '']) => path);
    return [
      await program(file, daemon.program),
      await program(loader, 'lib64/ld-linux-x86-64.so.2'),
      ...(await Promise.all(
        libraries.map((path) => program(path, `lib/x86_64-linux-gnu/${basename(path)}`)),
      )),
      ...Object.entries(daemon.files).map(
        ([path, text]): CpioEntry => ({ type: 'file', path, mode: 0o644, data: Buffer.from(text) }),
      ),
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function program(from: string, path: string): Promise<CpioEntry> {
  return { type: 'file', path, mode: 0o755, data: await readFile(await realpath(from)) };
}
