import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RestorePlan, renderPlan, renderRestorePlan } from './restore-plan.ts';

/** The real exuvia-early-restore judges plans; what it does with them is the lab's to test. */
let directory: string;
let program: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-plan-'));
  program = join(directory, 'exuvia-early-restore');
  const native = join(import.meta.dirname, '../../../../../native');
  const source = `${native}/early-restore/exuvia-early-restore.c`;
  await run('cc', ['-O1', '-D_GNU_SOURCE', `-I${native}/common`, '-o', program, source]);
});
afterAll(() => rm(directory, { recursive: true }));

const PLAN: RestorePlan = {
  update: 'u1',
  modules: [{ group: 'vm', file: '/modules/kvm_amd.ko', options: '' }],
  root: {
    uuid: '1-2',
    type: 'ext4',
    path: '/',
    options: 'rw',
    disk: { kind: 'serial', value: 'a b', partition: 2 },
  },
  mounts: [{ uuid: '3-4', type: 'xfs', path: '/srv', options: 'rw', disk: null }],
  devices: [{ path: '/dev/disk/by-id/a-part2', kind: 'wwid', value: 't10.A  b', partition: 2 }],
  store: { label: 'exuvia-store', path: '/var/lib/exuvia/store', options: 'rw,dax=always' },
  vms: [
    {
      name: 'tiny',
      argv: ['/bin/qemu', '-append', 'a b'],
      environment: { PATH: '/bin' },
      nice: -5,
      taps: ['exv4b5e57f6n0,32,br0,52:54:00:00:00:01'],
    },
  ],
  cpus: '0-2',
  watchdog: '/dev/watchdog0',
  network: {
    bridges: [
      {
        name: 'br0',
        mac: '52:54:00:00:00:01',
        mtu: 1500,
        settings: { forward_delay: '1500', stp_state: '0' },
      },
    ],
    nics: [
      { name: 'eth1', permanentMac: '52:54:00:00:00:02', mac: '52:54:00:00:00:02', mtu: 9000, bridge: 'br0' },
      { name: 'eth2', permanentMac: '52:54:00:00:00:03', mac: '52:54:00:00:00:03', mtu: 1500, bridge: null },
    ],
    vlans: [{ name: 'eth2.7', nic: 'eth2', id: 7, bridge: 'br0' }],
    late: [],
  },
  timeoutMs: 60_000,
  fallback: { images: [{ kernel: '/k', initrd: '/i' }], commandLine: 'a=b c', failure: '/f' },
  fault: undefined,
};

async function judge(text: string): Promise<string> {
  const file = join(directory, 'plan');
  await writeFile(file, text);
  const { exitCode, stderr } = await run(program, ['--check', file], { allowFailure: true });
  return exitCode === 0 ? 'good' : stderr.trim().replace(file, 'PLAN');
}

test('a plan as the agent renders it is good, with and without VMs and a way back', async () => {
  expect(await judge(renderRestorePlan(PLAN))).toBe('good');
  expect(await judge(renderRestorePlan({ ...PLAN, vms: [], fallback: null }))).toBe('good');
  expect(await judge(renderPlan(['fallback /k /i', 'fallback-arguments x', 'at-once fallback']))).toBe(
    'good',
  );
});

test('a plan with any one byte changed, or cut off anywhere, is not carried out', async () => {
  const whole = renderRestorePlan(PLAN);
  for (let at = 0; at < whole.length; at += 7) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    expect(await judge(damaged.toString('latin1')), `byte ${at}`).not.toBe('good');
    expect(await judge(whole.slice(0, at)), `length ${at}`).not.toBe('good');
  }
  expect(await judge(whole.replace('tiny', 'tony'))).toBe(
    'restore plan: PLAN: damaged: its checksum does not fit',
  );
});

test.each([
  [
    'of another version',
    renderPlan([]).replace('restore 2', 'restore 3'),
    'restore plan: PLAN: not version 2',
  ],
  ['with a word that is no directive', renderPlan(['dance now']), 'restore plan: dance: no directive'],
  [
    'with a VM that lacks its memory',
    renderPlan(['vm tiny', 'state /s']),
    'restore plan: tiny: a field is missing',
  ],
  [
    'with a device by a name that may be another one’s',
    renderPlan(['device /dev/sda 0 serial x']),
    'restore plan: device: a field is missing',
  ],
  [
    'with the disk of a file system that it does not mount',
    renderPlan(['on /srv 0 serial x']),
    'restore plan: on: no such file system',
  ],
  [
    'with a bridge that has no address',
    renderPlan(['bridge br0 here 1500']),
    'restore plan: bridge: a field is missing',
  ],
  [
    'with a NIC of no bridge',
    renderPlan(['nic e 52:00:00:00:00:01']),
    'restore plan: nic: a field is missing',
  ],
  ['with a VLAN without a number', renderPlan(['vlan v e x br0']), 'restore plan: vlan: a field is missing'],
  [
    'with a tap that is none',
    renderPlan(['vm tiny', 'tap exv0,32,br0']),
    'restore plan: tap: no directive, or too many of them',
  ],
  ['that starts nothing at once', renderPlan(['at-once fallback']), 'restore plan: at-once: no image'],
])('a plan %s is refused', async (_, text, expected) => {
  expect(await judge(text)).toBe(expected);
});

test('a plan of a large host is accepted: a bridge for each tenant, a VM with every option', async () => {
  const tenants = Array.from({ length: 500 }, (_, id) => id);
  const mac = '52:54:00:00:00:01';
  const network = {
    bridges: tenants.map((id) => ({ name: `br${id}`, mac, mtu: 1500, settings: {} })),
    nics: [{ name: 'eth1', permanentMac: mac, mac, mtu: 1500, bridge: null }],
    vlans: tenants.map((id) => ({ name: `eth1.${id}`, nic: 'eth1', id, bridge: `br${id}` })),
    late: [],
  };
  const vms = PLAN.vms.map((vm) => ({ ...vm, argv: Array.from({ length: 700 }, () => 'word') }));
  expect(await judge(renderRestorePlan({ ...PLAN, network, vms }))).toBe('good');
});

test('the program does nothing when it is not process 1', async () => {
  const { exitCode, stderr } = await run(program, [], { allowFailure: true });
  expect([exitCode, stderr.trim()]).toEqual([
    2,
    'exuvia-early-restore is process 1 of an initramfs; elsewhere only: --check PLAN',
  ]);
});
