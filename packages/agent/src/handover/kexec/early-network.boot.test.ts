import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModuleIndex, resolveModules } from '@exuvia/sys';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EarlyNetwork, networkLines } from './early-network.ts';
import {
  bootEarly,
  compileEarlyInit,
  findEarlyKernels,
  moduleLines,
  SOME_VM,
} from './testing/early-machine.ts';

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

const { kernels, missing } = await findEarlyKernels();
if (missing !== null) console.warn(`The network of the early restore is not tested: ${missing}`);

/** The program's own network code in an emulated machine with two NICs; the whole of it is the lab's to test. */
describe.skipIf(missing !== null)('the network of an early restore', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-early-network-'));
    await compileEarlyInit(join(import.meta.dirname, 'testing/network-init.c'), directory);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test.each(kernels)('bridges, a tap, NICs under their old names, and a VLAN ($release)', async (kernel) => {
    const index = await readModuleIndex(kernel.release, kernel.root);
    const own = resolveModules(index, ['tun', 'bridge']);
    const names = new Set(own.map(({ name }) => name));
    const others = resolveModules(index, ['virtio_net', '8021q']).filter(({ name }) => !names.has(name));
    const lines = await bootEarly(kernel, directory, {
      plan: [
        ...moduleLines('vm', own),
        ...moduleLines('network', others),
        ...['root 1 ext4 rw', 'manifest /m', ...networkLines(NETWORK)],
        ...[...SOME_VM, 'tap exv00000000n0,32,br0,52:54:00:00:00:77'],
      ],
      modules: [...own, ...others],
      append: 'quiet loglevel=0 net.ifnames=0',
      devices: [...nic('01', 'host_mtu=9000'), ...nic('02', 'host_mtu=1500')],
    });
    expect(lines.filter((line) => /^\S+ address=/.test(line) && !line.startsWith('lo ')).sort()).toEqual([
      'br0 address=52:54:00:00:00:50 mtu=1500 carrier=1 brport/state=- bridge/forward_delay=1500',
      'br1 address=52:54:00:00:00:51 mtu=9000 carrier=1 brport/state=- bridge/forward_delay=200',
      'eth0 address=52:54:00:00:00:02 mtu=1500 carrier=1 brport/state=3 bridge/forward_delay=-',
      'exv00000000n0 address=fe:54:00:00:00:77 mtu=1500 carrier=1 brport/state=3 bridge/forward_delay=-',
      'lan7 address=52:54:00:00:00:99 mtu=9000 carrier=1 brport/state=- bridge/forward_delay=-',
      'v7 address=52:54:00:00:00:99 mtu=9000 carrier=1 brport/state=3 bridge/forward_delay=-',
    ]);
  });
});

function nic(number: string, options: string): string[] {
  const device = `virtio-net-pci,netdev=n${number},mac=52:54:00:00:00:${number},romfile=,${options}`;
  return ['-netdev', `hubport,id=n${number},hubid=0`, '-device', device];
}
