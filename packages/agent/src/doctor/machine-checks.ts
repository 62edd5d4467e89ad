import { type Check, ExuviaError, formatSize } from '@exuvia/contract';
import type { DoctorFacts } from './facts.ts';
import { finding } from './verdict.ts';

/** What a host needs in memory for an update: the loaded kernel and initramfs, and the programs that run then. */
const NEEDED_BYTES = 192 * 2 ** 20;

export function qemuCheck({ qemu }: DoctorFacts): Check {
  if (qemu instanceof ExuviaError) return finding('qemu', 'fail', qemu.message, qemu.hint);
  const missing = [
    ...(qemu.migrationModes.includes('cpr-reboot') ? [] : ['the migration mode cpr-reboot']),
    ...(qemu.migrationCapabilities.includes('x-ignore-shared') ? [] : ['the capability x-ignore-shared']),
  ];
  if (missing.length > 0) {
    return finding(
      'qemu',
      'fail',
      `QEMU ${qemu.version} lacks ${missing.join(' and ')}.`,
      'Install QEMU 10.0 or later: apt install qemu-system-x86',
    );
  }
  if (!qemu.auxRamShare) {
    return finding(
      'qemu',
      'warn',
      `QEMU ${qemu.version} lacks aux-ram-share: VMs can outlive a new kernel, but not move to a new QEMU.`,
      'Install QEMU 10.0 or later: apt install qemu-system-x86',
    );
  }
  return finding('qemu', 'ok', `QEMU ${qemu.version} can save and restore VMs in place.`);
}

export function kvmCheck({ kvm }: DoctorFacts): Check {
  if (kvm) return finding('kvm', 'ok', '/dev/kvm is there.');
  return finding(
    'kvm',
    'fail',
    'There is no /dev/kvm.',
    'Turn virtualisation on in the firmware, then: modprobe kvm-amd or kvm-intel',
  );
}

export function memoryCheck({ memory }: DoctorFacts): Check {
  const available = inMib(memory.availableBytes);
  const reason = `${available} of the host's own ${inMib(memory.totalBytes)} is available.`;
  if (memory.availableBytes >= NEEDED_BYTES) return finding('memory', 'ok', reason);
  return finding(
    'memory',
    'fail',
    `${reason} An update needs ${formatSize(NEEDED_BYTES)}.`,
    'Stop services, or set up a smaller store.',
  );
}

export function bootLoaderCheck({ bootLoader }: DoctorFacts): Check {
  if (bootLoader === null) {
    return finding(
      'boot-loader',
      'warn',
      'No boot loader was found that Exuvia can configure (GRUB, systemd-boot).',
      'After an update, make the new kernel the default yourself.',
    );
  }
  const name = bootLoader === 'grub' ? 'GRUB' : 'systemd-boot';
  return finding('boot-loader', 'ok', `The boot loader is ${name}; Exuvia can choose its kernel.`);
}

/** The program that restores VMs early in the boot mounts the root file system without udev, LVM or a network. */
export function rootFileSystemCheck({ root }: DoctorFacts): Check {
  const id = 'root-file-system';
  if (root === null) {
    return finding(id, 'fail', 'The root file system cannot be determined.', 'Is /proc mounted?');
  }
  const what = `The root file system is ${root.type} on ${root.source}`;
  if (!['ext4', 'xfs'].includes(root.type)) {
    return finding(
      id,
      'fail',
      `${what}; VMs can be restored from ext4 and xfs.`,
      'Use the handover "reboot", or another root file system.',
    );
  }
  switch (root.below) {
    case 'disk':
      return finding(id, 'ok', `${what}.`);
    case 'device-mapper':
      return finding(
        id,
        'fail',
        `${what}, on LVM or encrypted; early in the boot only plain disks and partitions can be mounted.`,
        'Use the handover "reboot", or move the root file system to a plain partition.',
      );
    case 'raid':
      return finding(
        id,
        'fail',
        `${what}, on a software RAID; early in the boot only plain disks and partitions can be mounted.`,
        'Use the handover "reboot", or move the root file system to a plain partition.',
      );
    case 'none':
      return finding(
        id,
        'fail',
        `${what}, which is no disk of this machine.`,
        'Use the handover "reboot", or a root file system on a local disk.',
      );
  }
}

/** Only the TSC runs on while one kernel gives way to another. */
export function clockCheck({ clock }: DoctorFacts): Check {
  const id = 'clock';
  const missing = [
    ...(clock.constantTsc ? [] : ['constant_tsc']),
    ...(clock.nonstopTsc ? [] : ['nonstop_tsc']),
  ];
  if (missing.length === 0) {
    return finding(id, 'ok', 'The TSC runs at one rate and never stops; times across the jump are exact.');
  }
  return finding(
    id,
    'warn',
    `The CPU does not promise ${missing.join(' and ')}; times across the jump may be wrong (clock source: ${clock.clocksource ?? 'unknown'}).`,
    'Trust the blackout measured from outside. In a virtual machine, let its CPU model show invtsc.',
  );
}

function inMib(bytes: number): string {
  return formatSize(Math.floor(bytes / 2 ** 20) * 2 ** 20);
}
