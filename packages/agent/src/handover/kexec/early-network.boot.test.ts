import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findQemu } from '@exuvia/qemu/testing';
import {
  CONSOLE_ENTRY,
  type CpioEntry,
  cpioArchive,
  readModule,
  readModuleIndex,
  resolveModules,
  run,
} from '@exuvia/sys';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findGuestKernels } from '../../testing/linux-guest.ts';
import { type EarlyNetwork, networkLines } from './early-network.ts';
import { renderPlan } from './restore-plan.ts';

const NETWORK: EarlyNetwork = {
  bridges: [
    {
      name: 'br0',
      mac: '52:54:00:00:00:50',
      mtu: 1500,
      settings: { forward_delay: '1500', stp_state: '0' },
    },
    { name: 'br1', mac: '52:54:00:00:00:51', mtu: 9000, settings: { forward_delay: '200', stp_state: '0' } },
  ],
  // The kernel calls the first NIC eth0, and the second eth1.
  nics: [
    {
      name: 'eth0',
      permanentMac: '52:54:00:00:00:02',
      mac: '52:54:00:00:00:02',
      mtu: 1500,
      bridge: 'br0',
    },
    { name: 'lan7', permanentMac: '52:54:00:00:00:01', mac: '52:54:00:00:00:99', mtu: 9000, bridge: null },
  ],
  vlans: [{ name: 'v7', nic: 'lan7', id: 7, bridge: 'br1' }],
  late: [],
};
const VM = ['ram /r', 'state /s', 'scope s', 'log /l', 'runtime /v', 'arg /q'];

const qemu = await findQemu();
const kernels = await findGuestKernels();
const missing =
  'missing' in qemu ? qemu.missing : kernels.length === 0 ? 'The lab has no root file system yet.' : null;
if (missing !== null) console.warn(`The network of the early restore is not tested: ${missing}`);

/** The program's own network code in an emulated machine with two NICs; the whole of it is the lab's to test. */
describe.skipIf(missing !== null)('the network of an early restore', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-early-network-'));
    const native = join(import.meta.dirname, '../../../../../native');
    const source = join(import.meta.dirname, 'testing/network-init.c');
    const include = ['common', 'early-restore'].flatMap((room) => ['-I', join(native, room)]);
    await run('cc', ['-O1', '-D_GNU_SOURCE', '-static', ...include, '-o', join(directory, 'init'), source]);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test.each(kernels)('bridges, a tap, NICs under their old names, and a VLAN ($release)', async (kernel) => {
    const initrd = join(directory, 'initrd');
    await writeFile(initrd, await archive(kernel));
    const { stdout } = await run('binary' in qemu ? qemu.binary : '', [
      ...['-M', 'q35', '-accel', 'tcg', '-cpu', 'max,erms=off,fsrm=off', '-m', '512', '-no-reboot'],
      ...['-nodefaults', '-display', 'none', '-serial', 'stdio'],
      ...['-kernel', join(kernel.root, 'boot', `vmlinuz-${kernel.release}`), '-initrd', initrd],
      ...['-append', 'console=ttyS0 quiet loglevel=0 net.ifnames=0 panic=-1'],
      ...nic('01', 'host_mtu=9000'),
      ...nic('02', 'host_mtu=1500'),
    ]);
    const lines = stdout.replaceAll('\r', '').split('\n');
    expect(lines.filter((line) => /^\S+ address=/.test(line) && !line.startsWith('lo ')).sort()).toEqual([
      'br0 address=52:54:00:00:00:50 mtu=1500 carrier=1 brport/state=- bridge/forward_delay=1500',
      'br1 address=52:54:00:00:00:51 mtu=9000 carrier=1 brport/state=- bridge/forward_delay=200',
      'eth0 address=52:54:00:00:00:02 mtu=1500 carrier=1 brport/state=3 bridge/forward_delay=-',
      'exv00000000n0 address=fe:54:00:00:00:77 mtu=1500 carrier=1 brport/state=3 bridge/forward_delay=-',
      'lan7 address=52:54:00:00:00:99 mtu=9000 carrier=1 brport/state=- bridge/forward_delay=-',
      'v7 address=52:54:00:00:00:99 mtu=9000 carrier=1 brport/state=3 bridge/forward_delay=-',
    ]);
  });

  async function archive({ root, release }: { root: string; release: string }): Promise<Buffer> {
    const index = await readModuleIndex(release, root);
    const own = resolveModules(index, ['tun', 'bridge']);
    const names = new Set(own.map(({ name }) => name));
    const others = resolveModules(index, ['virtio_net', '8021q']).filter(({ name }) => !names.has(name));
    const modules = await Promise.all(
      [...own, ...others].map(async ({ name, path }): Promise<CpioEntry> => {
        return { type: 'file', path: `modules/${name}.ko`, data: await readModule(path) };
      }),
    );
    const plan = renderPlan([
      ...own.map(({ name }) => `module vm /modules/${name}.ko`),
      ...others.map(({ name }) => `module network /modules/${name}.ko`),
      ...['root 1 ext4 rw', 'manifest /m', ...networkLines(NETWORK)],
      ...['vm tiny', ...VM, 'tap exv00000000n0,32,br0,52:54:00:00:00:77'],
    ]);
    return cpioArchive([
      CONSOLE_ENTRY,
      { type: 'file', path: 'init', mode: 0o755, data: await readFile(join(directory, 'init')) },
      { type: 'file', path: 'plan', data: Buffer.from(plan) },
      ...modules,
    ]);
  }
});

function nic(number: string, options: string): string[] {
  const device = `virtio-net-pci,netdev=n${number},mac=52:54:00:00:00:${number},romfile=,${options}`;
  return ['-netdev', `hubport,id=n${number},hubid=0`, '-device', device];
}
