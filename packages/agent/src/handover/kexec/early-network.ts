import { join } from 'node:path';
import { nicsOf, type Vm } from '@exuvia/contract';
import { type Link, readIfExists } from '@exuvia/sys';

/** The part of the host's network through which VMs reach others, as it is now: the early restore makes it again. */
export interface EarlyNetwork {
  readonly bridges: readonly EarlyBridge[];
  readonly nics: readonly EarlyNic[];
  readonly vlans: readonly EarlyVlan[];
  /** Ports of the bridges that only the host's own network configuration brings back: `bond0 of br0 (bond)`. */
  readonly late: readonly string[];
}

interface EarlyBridge {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** By their names in /sys/class/net/NAME/bridge. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A NIC that a driver serves. */
interface EarlyNic {
  readonly name: string;
  /** By which it is found: its name is the kernel's own at first. */
  readonly permanentMac: string;
  readonly mac: string;
  readonly mtu: number;
  /** `null`: VLANs lie on it. */
  readonly bridge: string | null;
}

interface EarlyVlan {
  readonly name: string;
  readonly nic: string;
  readonly id: number;
  readonly bridge: string;
}

/** Without a VM that has a tap. */
export const NO_NETWORK: EarlyNetwork = { bridges: [], nics: [], vlans: [], late: [] };

/** Times are read and written in the same unit. What decides for how long ports do not forward comes last. */
const SETTINGS = [
  'ageing_time',
  'priority',
  'multicast_snooping',
  'vlan_filtering',
  'max_age',
  'hello_time',
  'forward_delay',
  'stp_state',
] as const;

export async function earlyNetwork(
  vms: readonly Pick<Vm, 'spec'>[],
  links: readonly Link[],
): Promise<EarlyNetwork> {
  const names = new Set(vms.flatMap(({ spec }) => nicsOf(spec)).flatMap(({ tap }) => tap?.bridge ?? []));
  const bridges = links.filter(({ name, kind }) => names.has(name) && kind === 'bridge');
  const found = await Promise.all(
    bridges.map(async ({ name, mac, mtu }) => ({ name, mac, mtu, settings: await settingsOf(name) })),
  );
  return { bridges: found, ...portsOf(bridges, links) };
}

/** Pure part of {@link earlyNetwork}: what the bridges lead to. */
export function portsOf(
  bridges: readonly Pick<Link, 'name'>[],
  links: readonly Link[],
): Omit<EarlyNetwork, 'bridges'> {
  const nics = new Map<string, EarlyNic>();
  const vlans: EarlyVlan[] = [];
  const late: string[] = [];
  for (const { name: bridge } of bridges) {
    for (const port of links.filter(({ master }) => master === bridge)) {
      const below = links.find(({ name }) => name === port.below);
      if (port.kind === null) nics.set(port.name, { ...nicOf(port), bridge });
      else if (port.vlanId !== null && below?.kind === null) {
        vlans.push({ name: port.name, nic: below.name, id: port.vlanId, bridge });
        if (!nics.has(below.name)) nics.set(below.name, { ...nicOf(below), bridge: below.master });
      } else if (port.kind !== 'tun') late.push(`${port.name} of ${bridge} (${port.kind})`);
    }
  }
  return { nics: [...nics.values()], vlans, late };
}

/** Lines of the restore plan (native/early-restore/plan.h). */
export function networkLines({ bridges, nics, vlans }: EarlyNetwork): string[] {
  return [
    ...bridges.map(({ name, mac, mtu, settings }) =>
      ['bridge', name, mac, mtu, ...Object.entries(settings).map((pair) => pair.join('='))].join(' '),
    ),
    ...nics.map(({ name, permanentMac, mac, mtu, bridge }) =>
      ['nic', name, permanentMac, mac, mtu, bridge ?? '-'].join(' '),
    ),
    ...vlans.map(({ name, nic, id, bridge }) => ['vlan', name, nic, id, bridge].join(' ')),
  ];
}

function nicOf({ name, permanentMac, mac, mtu }: Link): Omit<EarlyNic, 'bridge'> {
  return { name, permanentMac, mac, mtu };
}

async function settingsOf(bridge: string): Promise<Record<string, string>> {
  const pairs = await Promise.all(
    SETTINGS.map(async (name) => {
      const value = (await readIfExists(join('/sys/class/net', bridge, 'bridge', name)))?.trim();
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  return Object.fromEntries(pairs.flat());
}
