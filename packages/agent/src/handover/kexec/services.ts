import { SLICE, vmPaths } from '@exuvia/contract';
import { activeUnits, type Unit } from '@exuvia/sys';

/**
 * What an update never stops: what holds the host together, what VMs may need, and the ways in which an
 * operator watches. All of it simply ends with the old kernel.
 */
const KEPT = [
  'exuvia-*',
  'systemd-*',
  'dbus*',
  'user@*',
  'user-runtime-dir@*',
  'serial-getty@*',
  'getty@*',
  'console-getty*',
  'ssh*',
  'networking*',
  'ifup@*',
  'NetworkManager*',
  'openvswitch*',
  'ovs-*',
  'kmod*',
  'modprobe@*',
  'initrd-*',
  'lvm2-*',
  'multipathd*',
  'iscsi*',
  'open-iscsi*',
];

/**
 * Units to stop before the pause, in an order that keeps them stopped: what starts others (timers, paths,
 * sockets) first.
 *
 * @param keep further globs, from the agent's configuration
 */
export async function stoppableUnits(keep: readonly string[], vms: readonly string[]): Promise<string[]> {
  const patterns = [...KEPT, ...keep].map(globToRegExp);
  const scopes = new Set(vms.map((name) => vmPaths(name).scope as string));
  const active = await activeUnits();
  const units = active.filter((unit) => isStoppable(unit, patterns, scopes));
  return stoppedAlone(units, active)
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
    .map(({ name }) => name);
}

const ORDER = ['timer', 'path', 'socket', 'service'];

/**
 * Those with which systemd stops nothing else that is active: that would not be started again after an abort. Pure.
 *
 * @param units what is to be stopped
 */
export function stoppedAlone(units: readonly Unit[], active: readonly Unit[]): Unit[] {
  const staying = new Set(active.map(({ name }) => name));
  for (const { name } of units) staying.delete(name);
  const alone = units.filter(({ stopsWithIt }) => !stopsWithIt.some((name) => staying.has(name)));
  return alone.length === units.length ? alone : stoppedAlone(alone, active);
}

/** Pure part of {@link stoppableUnits}. */
export function isStoppable(unit: Unit, kept: readonly RegExp[], vmScopes: ReadonlySet<string>): boolean {
  if (!ORDER.includes(unit.kind) || unit.refusesStop || unit.state !== 'active' || vmScopes.has(unit.name))
    return false;
  // It could not be started again after an abort. Like all that is kept it ends with the old kernel.
  if (unit.transient) return false;
  if (unit.controlGroup?.startsWith(`/${SLICE}/`)) return false;
  // A finished oneshot holds nothing; stopping it may undo what it has set up.
  if (unit.kind === 'service' && unit.subState !== 'running') return false;
  return !kept.some((pattern) => pattern.test(unit.name));
}

/** A systemctl-like glob (`*` and `?`) as a regular expression for whole names. */
export function globToRegExp(glob: string): RegExp {
  const escaped = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`);
}
