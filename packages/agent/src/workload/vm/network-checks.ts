import { type Check, nicsOf, type VmSpec } from '@exuvia/contract';
import type { HostNetwork } from '@exuvia/sys';
import { looseTaps } from './taps.ts';

/** Whether the NICs of a VM that runs reach anybody, and what becomes of their connections. */
export async function networkChecks(spec: VmSpec, network: HostNetwork): Promise<Check[]> {
  if (spec.networks.length === 0) return [];
  const common = { id: 'vm-network', subject: spec.name };
  const [loose] = await looseTaps(spec, network);
  if (loose !== undefined) {
    return [
      {
        ...common,
        verdict: 'warn',
        reason: `Its tap ${loose.tap} is not a port of bridge ${loose.bridge}: the guest reaches nobody there.`,
        remedy: 'Mend the bridge, then: systemctl restart exuvia-agent',
      },
    ];
  }
  if (nicsOf(spec).some(({ tap }) => tap === null)) {
    return [
      {
        ...common,
        verdict: 'warn',
        reason: 'Connections through its user-mode NIC end with the QEMU that they go through.',
        remedy: 'Give it a NIC on a bridge instead.',
      },
    ];
  }
  return [{ ...common, verdict: 'ok', reason: 'Each of its taps is a port of its bridge.' }];
}

/** Whether a VM that is stopped would find its bridges. */
export async function bridgeChecks(spec: VmSpec | null, network: HostNetwork): Promise<Check[]> {
  for (const { tap } of spec === null ? [] : nicsOf(spec)) {
    if (tap === null || (await network.hasBridge(tap.bridge))) continue;
    const reason = `Its bridge ${tap.bridge} does not exist: it cannot be started.`;
    const remedy = 'Make the bridge, or change `networks` in its spec.';
    return [{ id: 'vm-network', subject: spec?.name ?? '', verdict: 'warn', reason, remedy }];
  }
  return [];
}
