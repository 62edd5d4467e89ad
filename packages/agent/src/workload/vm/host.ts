import { dirname } from 'node:path';
import { HOST_PATHS, vmPaths } from '@exuvia/contract';
import { hostNetwork } from '@exuvia/sys';
import type { VmDependencies } from './dependencies.ts';
import { QemuVms } from './manager.ts';
import { systemdScopes } from './scopes.ts';

/** The QEMU that VMs are started with: Debian's. */
export const QEMU_BINARY = '/usr/bin/qemu-system-x86_64';

/** Where {@link vmPaths} has their logs. */
export const VM_LOGS = dirname(vmPaths('any').consoleLog);

/** The VMs of the host that the agent runs on. */
export function createHostVms(given: Pick<VmDependencies, 'store' | 'config' | 'log'>): QemuVms {
  return new QemuVms({
    ...given,
    scopes: systemdScopes,
    paths: vmPaths,
    specs: HOST_PATHS.specs,
    updates: `${HOST_PATHS.store}/updates`,
    instances: dirname(vmPaths('any').store),
    saved: HOST_PATHS.saved,
    qemu: { binary: QEMU_BINARY, accelerator: 'kvm' },
    network: hostNetwork(),
    launcher: `${HOST_PATHS.native}/exuvia-launch`,
    timeoutMs: 60_000,
  });
}
