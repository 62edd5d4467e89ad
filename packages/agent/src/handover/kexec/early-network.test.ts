import type { Link } from '@exuvia/sys';
import { expect, test } from 'vitest';
import { networkLines, portsOf } from './early-network.ts';

const link = (name: string, fields: Partial<Link> = {}): Link => ({
  name,
  mac: '52:54:00:00:00:01',
  permanentMac: '52:54:00:00:00:02',
  mtu: 1500,
  carrier: true,
  kind: null,
  master: null,
  below: null,
  vlanId: null,
  ...fields,
});
const LINKS = [
  link('br0', { kind: 'bridge' }),
  link('br1', { kind: 'bridge' }),
  link('eth0'),
  link('eth1', { master: 'br0', mtu: 9000 }),
  link('eth2', { kind: null }),
  link('trunk', { kind: 'vlan', below: 'eth2', vlanId: 7, master: 'br1' }),
  link('bond0', { kind: 'bond', master: 'br1' }),
  link('bond0.8', { kind: 'vlan', below: 'bond0', vlanId: 8, master: 'br0' }),
  link('exv00000000n0', { kind: 'tun', master: 'br0' }),
];

test('NICs, and VLANs on them, are ports that come back early; what lies on anything else comes later', () => {
  const found = portsOf([{ name: 'br0' }, { name: 'br1' }], LINKS);
  const macs = { permanentMac: '52:54:00:00:00:02', mac: '52:54:00:00:00:01' };
  expect(found).toEqual({
    nics: [
      { name: 'eth1', ...macs, mtu: 9000, bridge: 'br0' },
      { name: 'eth2', ...macs, mtu: 1500, bridge: null },
    ],
    vlans: [{ name: 'trunk', nic: 'eth2', id: 7, bridge: 'br1' }],
    late: ['bond0.8 of br0 (vlan)', 'bond0 of br1 (bond)'],
  });
  const settings = { ageing_time: '30000', stp_state: '0' };
  expect(networkLines({ bridges: [{ name: 'br0', mac: macs.mac, mtu: 1500, settings }], ...found })).toEqual([
    'bridge br0 52:54:00:00:00:01 1500 ageing_time=30000 stp_state=0',
    'nic eth1 52:54:00:00:00:02 52:54:00:00:00:01 9000 br0',
    'nic eth2 52:54:00:00:00:02 52:54:00:00:00:01 1500 -',
    'vlan trunk eth2 7 br1',
  ]);
});

test('a NIC that is a port itself and has VLANs of other bridges on it is both', () => {
  const links = [
    link('eth1', { master: 'br0' }),
    link('eth1.7', { kind: 'vlan', below: 'eth1', vlanId: 7, master: 'br1' }),
  ];
  for (const bridges of [
    [{ name: 'br0' }, { name: 'br1' }],
    [{ name: 'br1' }, { name: 'br0' }],
  ]) {
    const { nics, vlans } = portsOf(bridges, links);
    expect(nics).toEqual([expect.objectContaining({ name: 'eth1', bridge: 'br0' })]);
    expect(vlans).toEqual([{ name: 'eth1.7', nic: 'eth1', id: 7, bridge: 'br1' }]);
  }
});
