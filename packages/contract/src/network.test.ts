import { expect, test } from 'vitest';
import { isTapName, nicsOf, tapPrefix } from './network.ts';
import { parseVmSpec } from './spec.ts';

const spec = (networks: string) =>
  parseVmSpec(`{name: web, memory: 1G, boot: {kernel: /k}, networks: ${networks}}`, 'web.yaml');

test('NICs have the same addresses and taps each time, by the name of the VM and their place', () => {
  const nics = nicsOf(
    spec('[{bridge: br0}, {user: true, model: vmxnet3}, {bridge: lan.100, mac: "52:54:00:12:34:56"}]'),
  );
  expect(nics).toEqual([
    {
      mac: '52:54:6e:02:e5:ce',
      model: 'virtio',
      tap: { name: 'exv4b5e57f6n0', bridge: 'br0', fd: 32 },
    },
    { mac: '52:54:1f:01:da:37', model: 'vmxnet3', tap: null },
    {
      mac: '52:54:00:12:34:56',
      model: 'virtio',
      tap: { name: 'exv4b5e57f6n2', bridge: 'lan.100', fd: 34 },
    },
  ]);
});

test('the name of a tap is one of an interface, also for the longest name of a VM', () => {
  const name = 'a'.repeat(31);
  const [nic] = nicsOf({ name, networks: [{ bridge: 'br0', model: 'virtio' }] });
  expect(nic?.tap?.name).toHaveLength(13);
  expect(nic?.tap?.name.startsWith(tapPrefix(name))).toBe(true);
  expect(isTapName(nic?.tap?.name ?? '')).toBe(true);
  expect(['exv0', 'eth0', 'vnet0', 'exv4b5e57f6n0.1'].map(isTapName)).toEqual([false, false, false, false]);
});

test.each([
  ['[{bridge: br0/x}]', 'must be the name of a network interface'],
  ['[{bridge: interface-name16}]', 'must be the name of a network interface'],
  ['[{bridge: "."}]', 'must be the name of a network interface'],
  ['[{bridge: br0, mac: "fe:54:00:00:00:01"}]', 'must be a unicast MAC address'],
  ['[{bridge: br0, mac: "53:54:00:00:00:01"}]', 'must be a unicast MAC address'],
  ['[{bridge: br0, user: true}]', 'must have either the name of a bridge, or user: true'],
  ['[{user: true}, {user: true}, {user: true}, {user: true}, {user: true}]', 'networks Too big'],
])('%s is refused', (networks, reason) => {
  expect(() => spec(networks)).toThrow(expect.objectContaining({ code: 'spec-invalid' }));
  expect(() => spec(networks)).toThrow(reason);
});
