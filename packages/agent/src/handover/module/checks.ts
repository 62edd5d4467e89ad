import { readdir, readlink } from 'node:fs/promises';
import type { Check, Vm } from '@exuvia/contract';
import { builtFor, kernelRelease, listIfExists, readIfExists, readModuleIndex } from '@exuvia/sys';
import type { PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { STATE_BYTES, storeSpace, vmRuns } from '../shared/checks.ts';

/** Everything that must hold before modules are loaded anew. Never throws for a failed check. */
export async function moduleChecks(
  { store, vms: manager }: HandoverDependencies,
  target: PlanTarget,
  vms: readonly Vm[],
): Promise<Check[]> {
  const modules = await Promise.all(target.modules.map(moduleFits));
  // Those that are left out as well.
  const running = await manager.list();
  return [
    ...(await store.checks()),
    ...modules,
    ...(await Promise.all(target.modules.map((name) => users(name, running)))).flat(),
    await nobodyElse(running),
    ...((await store.status()) === null ? [] : [await storeSpace(vms.length * STATE_BYTES)]),
    ...vms.map(vmRuns),
  ];
}

/** A module is loaded, and its file is made for the kernel that runs (its version magic). */
async function moduleFits(name: string): Promise<Check> {
  const common = { id: `module-${name}`, subject: 'host' } as const;
  const own = name.replaceAll('-', '_');
  if ((await readIfExists(`/sys/module/${own}/initstate`)) === null) {
    const remedy = 'Leave it out: it is loaded from its file when it is needed.';
    return { ...common, verdict: 'fail', reason: `No module ${name} is loaded.`, remedy };
  }
  const release = kernelRelease();
  const path = (await readModuleIndex(release)).paths.get(own);
  if (path === undefined) {
    const remedy = `Install the complete modules of kernel ${release}, then run \`depmod\`.`;
    return {
      ...common,
      verdict: 'fail',
      reason: `Kernel ${release} has no file of the module ${name}.`,
      remedy,
    };
  }
  const built = (await builtFor(path)) ?? 'an unknown kernel';
  return built === release
    ? { ...common, verdict: 'ok', reason: `${path} is made for the kernel that runs.` }
    : {
        ...common,
        verdict: 'fail',
        reason: `${path} is made for kernel ${built}, not for ${release}.`,
        remedy: 'Update the kernel with it: exuvia update --all',
      };
}

/** What VMs hold by their QEMUs' descriptors, and let go with them. */
const HELD_BY_VMS = /^(kvm|kvm_amd|kvm_intel|irqbypass|vhost.*|vfio.*)$/;

/** Devices of which it is known whose they are. */
const KNOWN_DEVICES = /^\/dev\/(kvm|vhost|net\/tun|null|zero|u?random|pts\/|ptmx|shm\/|hugepages|vfio\/)/;

/**
 * Who else uses a module, as far as it can be known while the VMs run: a tap that outlives its QEMU holds tun (Linux
 * drivers/net/tun.c, TUNSETPERSIST).
 */
async function users(name: string, vms: readonly Vm[]): Promise<Check[]> {
  const own = name.replaceAll('-', '_');
  const common = { id: `module-users-${name}`, subject: 'host', remedy: WITH_A_KERNEL } as const;
  if (own === 'tun') {
    const taps = await listIfExists('/sys/class/net');
    const flags = await Promise.all(taps.map((tap) => readIfExists(`/sys/class/net/${tap}/tun_flags`)));
    const holding = taps.filter((_, index) => flags[index] !== null);
    if (holding.length === 0) return [];
    const reason = `The module ${name} cannot be unloaded as long as there are taps: ${holding.join(', ')}.`;
    return [{ ...common, verdict: 'fail', reason }];
  }
  if (HELD_BY_VMS.test(own)) return [];
  const references = Number((await readIfExists(`/sys/module/${own}/refcnt`)) ?? '0');
  const holders = (await listIfExists(`/sys/module/${own}/holders`)).length;
  if (!(references > holders)) return [];
  const reason = `The module ${name} is in use, ${references - holders} times by what is no module.`;
  // A driver that a VM's QEMU has open is let go with it.
  const links = await Promise.all(vms.map(({ pid }) => (pid === null ? [] : descriptorsOf(pid))));
  const another = links.flat().some((link) => link.startsWith('/dev/') && !KNOWN_DEVICES.test(link));
  return [{ ...common, verdict: another ? 'warn' : 'fail', reason }];
}

const WITH_A_KERNEL = 'End what uses it (`lsmod`), or take it along with a kernel: `--handover kexec`.';

/** A process of somebody else's that has /dev/kvm or a vhost device open keeps the modules where they are. */
async function nobodyElse(vms: readonly Vm[]): Promise<Check> {
  const id = 'module-holders';
  const ours = new Set(vms.map(({ pid }) => pid));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const holding = await Promise.all(pids.filter((pid) => !ours.has(pid)).map(holds));
  const others = pids.filter((pid) => !ours.has(pid)).filter((_, index) => holding[index]);
  if (others.length === 0) {
    return { id, subject: 'host', verdict: 'ok', reason: 'Nobody but the VMs holds KVM or vhost devices.' };
  }
  return {
    id,
    subject: 'host',
    verdict: 'fail',
    reason: `Other processes hold KVM or vhost devices: ${others.join(', ')}.`,
    remedy: 'End them for the update.',
  };
}

async function holds(pid: number): Promise<boolean> {
  const links = await descriptorsOf(pid);
  return links.some((link) => /^(\/dev\/(kvm|vhost)|anon_inode:\[?kvm-)/.test(link));
}

async function descriptorsOf(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  return Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
}
