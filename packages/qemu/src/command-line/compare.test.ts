import { vmPaths, vmSpecSchema } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { restoreCommandLine, startCommandLine } from './build.ts';
import { compareCommandLines } from './compare.ts';

const build = (fields: object, binary = '/usr/bin/qemu-system-x86_64') => {
  const spec = vmSpecSchema.parse({ name: 'web', memory: '256M', boot: { kernel: '/boot/k' }, ...fields });
  return startCommandLine(spec, vmPaths(spec.name), { binary });
};

test('a restore is the same machine, also with another binary', () => {
  expect(compareCommandLines(build({}), restoreCommandLine(build({}, '/opt/qemu-11/bin/qemu')))).toEqual([]);
});

test('an extra device is found: QEMU itself would say nothing', () => {
  const extra = build({ extraArgs: ['-device', 'virtio-rng-pci'] });
  expect(compareCommandLines(build({}), extra)).toEqual([
    { side: 'only-second', option: '-device virtio-rng-pci' },
  ]);
  expect(compareCommandLines(extra, build({}))).toEqual([
    { side: 'only-first', option: '-device virtio-rng-pci' },
  ]);
});

test('a changed value shows both sides', () => {
  expect(compareCommandLines(build({ vcpus: 1 }), build({ vcpus: 2 }))).toEqual([
    { side: 'only-first', option: '-smp 1' },
    { side: 'only-second', option: '-smp 2' },
  ]);
});

test('the order of devices counts, that of different options does not', () => {
  const [a, b] = [
    ['-device', 'a'],
    ['-device', 'b'],
  ];
  expect(compareCommandLines(['qemu', ...a, '-m', '1G', ...b], ['qemu', '-m', '1G', ...a, ...b])).toEqual([]);
  expect(compareCommandLines(['qemu', ...a, ...b], ['qemu', ...b, ...a])).toEqual([
    { side: 'only-first', option: '-device in the order a | b' },
    { side: 'only-second', option: '-device in the order b | a' },
  ]);
});

test('a device that is there twice on one side only is found', () => {
  expect(compareCommandLines(['qemu', '-device', 'a', '-device', 'a'], ['qemu', '-device', 'a'])).toEqual([
    { side: 'only-first', option: '-device a' },
  ]);
});
