import { expect, test } from 'vitest';
import { commandLineFor, machineDifferences, successorCommandLine } from './successor.ts';

const STARTED = [
  '/usr/bin/qemu-system-x86_64',
  '-name',
  'web',
  '-chardev',
  'socket,id=q,path=/run/web/q.sock',
  '-m',
  '1G',
];
const ELSEWHERE = '/opt/q/usr/bin/qemu-system-x86_64';
const FIRMWARE = ['/opt/q/usr/share/qemu', '/usr/share/qemu', '/usr/share/seabios', '/usr/lib/ipxe/qemu'];

test('a QEMU that lies elsewhere is told where the firmware is, and back it is not', () => {
  const there = commandLineFor(ELSEWHERE, STARTED);
  expect(there).toEqual([ELSEWHERE, ...FIRMWARE.flatMap((path) => ['-L', path]), ...STARTED.slice(1)]);
  expect(commandLineFor('/usr/bin/qemu-system-x86_64', there)).toEqual(STARTED);
});

test('a successor has its sockets elsewhere, executes nothing and waits', () => {
  expect(successorCommandLine(STARTED, { runtime: '/run/web', next: '/run/web.next' })).toEqual([
    ...STARTED.slice(0, 4),
    'socket,id=q,path=/run/web.next/q.sock',
    '-m',
    '1G',
    '-S',
    '-incoming',
    'defer',
    '-incoming',
    '{"channel-type":"cpr","addr":{"transport":"socket","type":"unix","path":"/run/web.next/cpr.sock"}}',
  ]);
});

test('what a restore adds is no part of the machine', () => {
  const restored = [
    '/store/qemu',
    ...['-L', '/store/firmware'],
    ...STARTED.slice(1),
    ...['-kernel', '/store/copy', '-incoming', 'defer', '-global', 'migration.mode=cpr-reboot'],
    ...['-chardev', 'socket,id=early-restore,fd=3', '-mon', 'chardev=early-restore,mode=control'],
  ];
  expect(machineDifferences(restored, commandLineFor(ELSEWHERE, [...STARTED, '-kernel', '/boot/k']))).toEqual(
    [],
  );
});

test('a device more or less is found', () => {
  expect(machineDifferences([...STARTED, '-device', 'virtio-rng-pci'], STARTED)).toEqual([
    { side: 'only-first', option: '-device virtio-rng-pci' },
  ]);
});
