import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeNamespace, namespacesMissing, type TestNamespace } from '../testing/lan/namespace.ts';
import { type HostNetwork, hostNetwork, parseLinks } from './host-network.ts';

const missing = namespacesMissing();
if (missing !== null) console.warn(`The host's network is not tested: ${missing}`);

describe.skipIf(missing !== null)('the network of a host', () => {
  let other: TestNamespace;
  let network: HostNetwork;
  beforeEach(async () => {
    other = await makeNamespace('links');
    network = hostNetwork(other.name);
  });
  afterEach(() => other.remove());

  test('links are told with kind, address, and what they belong to', async () => {
    await other.ip('link', 'add', 'br0', 'address', '52:00:00:00:00:01', 'type', 'bridge');
    await other.ip('tuntap', 'add', 'low', 'mode', 'tap');
    await other.ip('link', 'set', 'low', 'address', '52:00:00:00:00:02', 'mtu', '9000');
    await network.join('low', 'br0');
    const links = (await network.links()).filter(({ name }) => name !== 'lo');
    const mac = (address: string) => ({ mac: address, permanentMac: address, below: null, vlanId: null });
    expect(links).toEqual([
      { ...mac('52:00:00:00:00:01'), name: 'br0', mtu: 9000, carrier: false, kind: 'bridge', master: null },
      { ...mac('52:00:00:00:00:02'), name: 'low', mtu: 9000, carrier: false, kind: 'tun', master: 'br0' },
    ]);
    expect(await network.hasBridge('br0')).toBe(true);
    expect(await network.hasBridge('low')).toBe(false);
  });

  test('a NIC has no kind, a VLAN what it lies on', () => {
    const common = { flags: ['BROADCAST', 'UP'], mtu: 1500, address: '52:00:00:00:00:01' };
    const text = JSON.stringify([
      { ...common, ifname: 'eth0', permaddr: '52:00:00:00:00:07', linkinfo: {} },
      {
        ...common,
        ifname: 'eth0.7',
        link: 'eth0',
        linkinfo: { info_kind: 'vlan', info_data: { protocol: '802.1Q', id: 7 } },
      },
    ]);
    expect(parseLinks(text)).toMatchObject([
      { name: 'eth0', kind: null, below: null, permanentMac: '52:00:00:00:00:07' },
      { name: 'eth0.7', kind: 'vlan', below: 'eth0', vlanId: 7, permanentMac: '52:00:00:00:00:01' },
    ]);
    expect(parseLinks('')).toEqual([]);
  });

  test('an interface that is gone already is removed without a word', async () => {
    await other.ip('tuntap', 'add', 'tap0', 'mode', 'tap');
    await network.remove('tap0');
    await network.remove('tap0');
    expect((await network.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('a process in no namespace of its own sees its own links', async () => {
    expect((await hostNetwork().links()).map(({ name }) => name)).toContain('lo');
    expect(await hostNetwork().hasBridge('lo')).toBe(false);
  });
});
