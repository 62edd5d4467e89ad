import type { AgentConfig, Livepatch, QemuTarget } from '@exuvia/contract';
import { probeQemu, probeQemus, type QemuFeatures } from '@exuvia/qemu';
import {
  fileBuildId,
  kernelRelease,
  listIfExists,
  loadedBuildId,
  readIfExists,
  readModuleIndex,
} from '@exuvia/sys';
import type { InstalledQemu, Software } from '../planner/index.ts';

/** Modules that have VMs' state in them or devices of theirs: they cannot be loaded anew while a QEMU holds them. */
const HELD = /^(kvm|kvm_amd|kvm_intel|irqbypass|vhost\w*|tun|tap|macvtap|vfio\w*)$/;

export interface SoftwareOptions {
  /** The host's own QEMU. */
  readonly qemu: string;
  config(): Pick<AgentConfig, 'qemus'>;
}

export function createSoftware({ qemu, config }: SoftwareOptions): Software {
  return {
    async qemus() {
      return (await probeQemus([...new Set([qemu, ...config().qemus])])).map(asInstalled);
    },
    qemuAt: async (binary) => asInstalled(await probeQemu(binary)),
    async changedModules() {
      const index = await readModuleIndex(kernelRelease());
      const changed = await Promise.all(
        (await heldModules()).map(async (name) => {
          const path = index.paths.get(name);
          const loaded = await loadedBuildId(name);
          if (path === undefined || loaded === null) return [];
          return (await fileBuildId(path)) === loaded ? [] : [name];
        }),
      );
      return changed.flat();
    },
    livepatches: async (kernel, kernelStays) =>
      Promise.all((await loadedLivepatches()).map((name) => fateOf(name, kernel, kernelStays))),
  };
}

function asInstalled(features: QemuFeatures): InstalledQemu {
  return { ...asTarget(features), migrationModes: features.migrationModes, machines: features.machines };
}

/** What plans and reports name a QEMU by. */
export function asTarget({ binary, version, packageVersion }: QemuFeatures): QemuTarget {
  return { binary, version, package: packageVersion };
}

/** Loaded modules that VMs hold, and modules that are not part of the kernel's own tree (`O` in /proc/modules). */
export async function heldModules(): Promise<string[]> {
  const lines = ((await readIfExists('/proc/modules')) ?? '').split('\n');
  return lines.flatMap((line) => {
    const [name = '', , , , , , taint = ''] = line.split(' ');
    return HELD.test(name) || /\(.*O.*\)/.test(taint) ? [name] : [];
  });
}

/** /sys/kernel/livepatch has a directory for each (Documentation/livepatch/livepatch.rst of Linux 6.12). */
export async function loadedLivepatches(): Promise<string[]> {
  return listIfExists('/sys/kernel/livepatch');
}

async function fateOf(name: string, kernel: string, kernelStays: boolean): Promise<Livepatch> {
  if (kernelStays) return { name, carried: true, reason: 'The kernel runs on, and the livepatch with it.' };
  const index = await readModuleIndex(kernel).catch(() => null);
  if (index?.paths.has(name) === true) {
    return {
      name,
      carried: true,
      reason: `It is built for kernel ${kernel} too, and is loaded there again.`,
    };
  }
  return {
    name,
    carried: false,
    reason: `There is no module ${name} for kernel ${kernel}: what it mends must be mended in that kernel itself.`,
  };
}
