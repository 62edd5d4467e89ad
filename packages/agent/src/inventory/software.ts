import type { AgentConfig, QemuTarget } from '@exuvia/contract';
import { probeQemu, probeQemus, type QemuFeatures } from '@exuvia/qemu';
import { fileBuildId, kernelRelease, loadedBuildId, readIfExists, readModuleIndex } from '@exuvia/sys';
import type { InstalledQemu, Software } from '../planner/index.ts';
import { fateOfLivepatch, loadedLivepatches } from './livepatches.ts';

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
      Promise.all((await loadedLivepatches()).map((name) => fateOfLivepatch(name, kernel, kernelStays))),
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
