import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExuviaError, isTapName, nicsOf, tapPrefix, tapWord, type VmSpec } from '@exuvia/contract';
import { announce } from '@exuvia/qemu';
import type { HostNetwork } from '@exuvia/sys';
import type { VmDependencies } from './dependencies.ts';
import type { Monitors } from './monitors.ts';

const BRIDGE_TIMEOUT_MS = 10_000;
/** A host that has been up for longer has all the bridges that it will have. */
const BOOTING_S = 120;

interface Port {
  readonly tap: string;
  readonly bridge: string;
}

/** What exuvia-launch is told of a VM's taps (native/common/tap.h). */
export function tapArguments(spec: VmSpec): string[] {
  return nicsOf(spec).flatMap((nic) => {
    const word = tapWord(nic);
    return word === null ? [] : ['--tap', word];
  });
}

/** @throws ExuviaError `bridge-missing` before anything of a VM is begun. */
export async function requireBridges(spec: VmSpec, network: HostNetwork): Promise<void> {
  await awaitBridges(spec, network);
  for (const { bridge } of portsOf(spec)) {
    if (await network.hasBridge(bridge)) continue;
    throw new ExuviaError(
      'bridge-missing',
      `VM ${spec.name} needs the bridge ${bridge}, which does not exist.`,
      {
        hint: 'Make it with the host’s own network configuration (systemd.netdev(5)), or change `networks` in the spec.',
      },
    );
  }
}

/** Early in a boot the host's bridges may not be there yet; a VM that is saved is restored with or without them. */
export async function awaitBridges(spec: VmSpec, network: HostNetwork): Promise<void> {
  const deadline = Math.min(Date.now() + BRIDGE_TIMEOUT_MS, Date.now() + (BOOTING_S - uptime()) * 1000);
  for (const { bridge } of portsOf(spec)) {
    while (!(await network.hasBridge(bridge)) && Date.now() < deadline) await sleep(100);
  }
}

/**
 * For a VM that was found running: after a jump the host's bridges may have come back later than its VMs, and its own
 * NIC later than what they announced of themselves.
 */
export async function reconnect(
  spec: VmSpec,
  { network, log }: Pick<VmDependencies, 'network' | 'log'>,
  monitors: Monitors,
): Promise<void> {
  if (spec.networks.length === 0) return;
  for (const { tap, bridge } of await looseTaps(spec, network)) {
    await network.join(tap, bridge).catch((err: unknown) => {
      log.warn({ vm: spec.name, err }, `${tap} cannot be made a port of bridge ${bridge}.`);
    });
  }
  await announce(await monitors.get(spec.name));
}

/** Taps that are no ports of their bridges. */
export async function looseTaps(spec: VmSpec, network: HostNetwork): Promise<Port[]> {
  const ports = portsOf(spec);
  if (ports.length === 0) return [];
  const masters = new Map((await network.links()).map(({ name, master }) => [name, master]));
  return ports.filter(({ tap, bridge }) => masters.get(tap) !== bridge);
}

/** Removes the taps of a VM that has ended; what its spec says now does not matter. */
export async function removeTaps(name: string, network: HostNetwork): Promise<void> {
  await removeAll(network, (link) => link.startsWith(tapPrefix(name)));
}

/** Removes the taps of VMs that nothing is left of. */
export async function removeOrphanTaps(names: readonly string[], network: HostNetwork): Promise<void> {
  const known = names.map(tapPrefix);
  await removeAll(network, (link) => !known.some((prefix) => link.startsWith(prefix)));
}

/** One that a process has open is somebody's, whatever else is known: a QEMU outlives a store that is not mounted. */
async function removeAll(network: HostNetwork, isGone: (link: string) => boolean): Promise<void> {
  for (const { name, carrier } of await network.links()) {
    if (isTapName(name) && isGone(name) && !carrier) await network.remove(name);
  }
}

function portsOf(spec: VmSpec): Port[] {
  return nicsOf(spec).flatMap(({ tap }) => (tap === null ? [] : [{ tap: tap.name, bridge: tap.bridge }]));
}
