import { vmPaths, vmSpecSchema } from '@exuvia/contract';
import { startCommandLine } from '@exuvia/qemu';
import { expect, test } from 'vitest';
import { argumentChecks } from './argument-checks.ts';

const RAM = vmPaths('web').ram;

const networks = [{ bridge: 'br0' }, { user: true }];

function check(...extraArgs: string[]) {
  const spec = vmSpecSchema.parse({
    name: 'web',
    memory: '256M',
    boot: { kernel: '/k' },
    extraArgs,
    networks,
  });
  return argumentChecks('web', startCommandLine(spec, vmPaths('web'), { binary: '/usr/bin/qemu' }), RAM);
}
const bad = (...extraArgs: string[]) =>
  check(...extraArgs)
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ id, verdict, reason }) => `${id} ${verdict}: ${reason}`);

test('what Exuvia builds by itself is in nobody’s way', () => {
  expect(check()).toEqual([
    { id: 'vm-memory-in-store', subject: 'web', verdict: 'ok', reason: 'Its memory is in the store.' },
    { id: 'vm-machine', subject: 'web', verdict: 'ok', reason: 'Its machine type is pc-q35-10.0.' },
    {
      id: 'vm-extra-arguments',
      subject: 'web',
      verdict: 'ok',
      reason: 'None of its arguments is in the way.',
    },
  ]);
});

test('harmless extra arguments stay harmless', () => {
  expect(
    bad('-device', 'virtio-rng-pci', '-netdev', 'tap,id=n0,ifname=tap0,script=no', '-machine', 'hpet=off'),
  ).toEqual([]);
});

test.each([
  [['-machine', 'memory-backend=other']],
  [['-M', 'memory-backend=other']],
  [['-mem-path', '/dev/hugepages']],
])('%j takes the memory out of the store', (extraArgs) => {
  expect(bad(...extraArgs)).toEqual([
    `vm-memory-in-store fail: Its memory is not in ${RAM}: it would be lost with the old kernel.`,
  ]);
});

test('an unversioned machine type is refused', () => {
  expect(bad('-machine', 'q35')).toEqual([
    'vm-machine fail: Its machine type q35 has no version: another QEMU builds another machine from it.',
  ]);
});

test('aux-ram-share can be taken away, with a warning', () => {
  expect(bad('-machine', 'aux-ram-share=off')).toEqual([
    'vm-machine warn: It was started without aux-ram-share=on: its QEMU alone cannot be replaced.',
  ]);
});

test('VFIO devices, also as JSON, are lost with the kernel', () => {
  const reason = 'the state of a VFIO device is lost when the kernel is replaced.';
  expect(bad('-device', 'vfio-pci,host=01:00.0')).toEqual([
    `vm-extra-arguments fail: -device vfio-pci,host=01:00.0: ${reason}`,
  ]);
  expect(bad('--device', '{"driver":"vfio-pci"}')).toEqual([
    `vm-extra-arguments fail: -device {"driver":"vfio-pci"}: ${reason}`,
  ]);
});

test.each(['-S', '-daemonize', '-snapshot'])('%s belongs to Exuvia', (option) => {
  expect(bad(option)).toEqual([
    `vm-extra-arguments fail: ${option}: it changes how QEMU starts, which belongs to Exuvia.`,
  ]);
});

test.each(['tap,id=n,vhost=on', 'vhost-user,id=n,chardev=c', 'tap,id=n,fd=9', 'vhost-vdpa,id=n'])(
  'the network %s is warned of',
  (value) => {
    expect(bad('-netdev', value)).toEqual([
      `vm-extra-arguments warn: -netdev ${value}: the kernel side of the network device does not outlive the kernel.`,
    ]);
  },
);

test('several findings are told at once, with the worst verdict', () => {
  const memory = 'memory-backend-ram,id=m,size=1M';
  expect(bad('-object', memory, '-S')).toEqual([
    `vm-extra-arguments fail: -object ${memory}: this memory is not in the store and is copied during the pause; -S: it changes how QEMU starts, which belongs to Exuvia.`,
  ]);
});
