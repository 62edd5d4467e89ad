import { type Fault, SLICE, vmPaths } from '@exuvia/contract';
import type { BlockIdentity } from '@exuvia/sys';
import { withChecksum } from './checksum.ts';
import { type EarlyNetwork, networkLines } from './early-network.ts';
import { handoverFiles } from './layout.ts';

/** What the early restore becomes. */
export const HOST_INIT = '/sbin/init';

/** Of the store, whatever the host's own are. */
export const STORE_FILE_SYSTEM = 'ext4';

/** A file system that exuvia-early-restore mounts; `path` is where the running host has it. */
export interface EarlyMount {
  readonly uuid: string;
  readonly type: string;
  readonly path: string;
  readonly options: string;
  /** The disk that it is on; `null` when that has no number of its own: it is then found by its UUID alone. */
  readonly disk: BlockIdentity | null;
}

/** A block device that a VM has: found by what its disk is known by, and given the name that the VM's QEMU opens. */
export interface EarlyDevice extends BlockIdentity {
  readonly path: string;
}

/** Groups load in parallel; `network` when `vm` is loaded, `watchdog` when the VMs run. */
export type EarlyGroup = 'vm' | 'disk' | 'store' | 'network' | 'watchdog';

interface EarlyModule {
  readonly group: EarlyGroup;
  /** Path inside the initramfs. */
  readonly file: string;
  readonly options: string;
}

export interface EarlyVm {
  readonly name: string;
  /** The complete argv; the first element is an absolute path. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** CPUs that it may run on; absent: all. */
  readonly cpus?: string | undefined;
  readonly nice: number;
  /** Taps for it, as native programs read them. */
  readonly taps: readonly string[];
}

export interface RestorePlan {
  readonly update: string;
  readonly modules: readonly EarlyModule[];
  readonly root: EarlyMount;
  readonly mounts: readonly EarlyMount[];
  readonly devices: readonly EarlyDevice[];
  readonly store: { readonly label: string; readonly path: string; readonly options: string };
  readonly network: EarlyNetwork;
  /** CPUs that are to be online afterwards. */
  readonly cpus: string;
  /** The device that the pause arms: it is stopped when the VMs run. `null`: none. */
  readonly watchdog: string | null;
  readonly vms: readonly EarlyVm[];
  readonly timeoutMs: number;
  /** The way back; `null` in the kernel that was gone back to: a second failure in a row ends there. */
  readonly fallback: {
    readonly images: readonly { readonly kernel: string; readonly initrd: string }[];
    readonly commandLine: string;
    readonly failure: string;
  } | null;
  /** Only for tests of Exuvia itself. */
  readonly fault: Fault | undefined;
}

/** Renders the plan that exuvia-early-restore executes; its format is documented in native/early-restore/plan.h. */
export function renderRestorePlan(plan: RestorePlan): string {
  const lines = [
    ...plan.modules.map(({ group, file, options }) => `module ${group} ${file} ${options}`.trimEnd()),
    `root ${plan.root.uuid} ${plan.root.type} ${plan.root.options}`,
    ...plan.mounts.map(({ uuid, type, path, options }) => `mount ${uuid} ${type} ${path} ${options}`),
    ...[plan.root, ...plan.mounts].flatMap(({ path, disk }) =>
      disk === null ? [] : [`on ${path} ${disk.partition} ${disk.kind} ${disk.value}`],
    ),
    ...plan.devices.map(({ path, partition, kind, value }) => `device ${path} ${partition} ${kind} ${value}`),
    `store ${plan.store.label} ${STORE_FILE_SYSTEM} ${plan.store.path} ${plan.store.options}`,
    ...networkLines(plan.network),
    `online-cpus ${plan.cpus}`,
    ...(plan.watchdog === null ? [] : [`watchdog ${plan.watchdog}`]),
    ...(plan.vms.length === 0 ? [] : [`manifest ${handoverFiles(plan.update).manifest}`]),
    `timeout-ms ${plan.timeoutMs}`,
    `init ${HOST_INIT}`,
    ...fallbackLines(plan),
    ...(plan.fault === undefined ? [] : [faultLine(plan.fault)]),
    ...plan.vms.flatMap(vmLines),
  ];
  return renderPlan(lines);
}

/** A plan for exuvia-early-restore: its version, its lines, its checksum. */
export function renderPlan(lines: readonly string[]): string {
  return withChecksum(['exuvia-early-restore 2', ...lines]);
}

function fallbackLines({ fallback }: RestorePlan): string[] {
  if (fallback === null) return [];
  return [
    ...fallback.images.map(({ kernel, initrd }) => `fallback ${kernel} ${initrd}`),
    `fallback-arguments ${fallback.commandLine}`,
    `failure ${fallback.failure}`,
  ];
}

function faultLine({ at, action, vm }: Fault): string {
  return `fault ${at ?? 'restore'} ${action}${vm === undefined ? '' : ` ${vm}`}`;
}

function vmLines(vm: EarlyVm): string[] {
  const paths = vmPaths(vm.name);
  return [
    `vm ${vm.name}`,
    `ram ${paths.ram}`,
    `state ${paths.deviceState}`,
    `scope ${SLICE}/${paths.scope}`,
    `log ${paths.qemuLog}`,
    `runtime ${paths.runtime}`,
    ...(vm.cpus === undefined ? [] : [`cpus ${vm.cpus}`]),
    ...(vm.nice === 0 ? [] : [`nice ${vm.nice}`]),
    ...vm.taps.map((tap) => `tap ${tap}`),
    ...Object.entries(vm.environment).map(([name, value]) => `env ${name}=${value}`),
    ...vm.argv.map((word) => `arg ${word}`),
  ];
}
