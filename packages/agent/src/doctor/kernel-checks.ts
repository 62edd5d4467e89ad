import type { Check } from '@exuvia/contract';
import { commandLineValues, formatPmemMemmap, type KernelConfig, parseMemmap } from '@exuvia/sys';
import type { DoctorFacts } from './facts.ts';
import { finding } from './verdict.ts';

/** What an update by kexec needs of both kernels. Each is a symbol of Linux 6.12's configuration. */
const NEEDED = [
  'KEXEC_FILE',
  'X86_PMEM_LEGACY',
  'BLK_DEV_PMEM',
  'FS_DAX',
  'EXT4_FS',
  'KVM',
  'BLK_DEV_INITRD',
] as const;

/** Judges a kernel by its build configuration. `release` names it in the reason. */
export function kernelConfigCheck(release: string, config: KernelConfig | null): Check {
  if (config === null) {
    return finding(
      'kernel-config',
      'warn',
      `The configuration of kernel ${release} cannot be found.`,
      `Install the package that holds /boot/config-${release}.`,
    );
  }
  const missing = NEEDED.filter((option) => !config.has(option));
  if (missing.length === 0) {
    return finding('kernel-config', 'ok', `Kernel ${release} has all that an update by kexec needs.`);
  }
  return finding(
    'kernel-config',
    'fail',
    `Kernel ${release} was built without ${missing.join(', ')}.`,
    "Boot one of Debian's kernels: apt install linux-image-amd64",
  );
}

/** MAX_MEMMAP_REGIONS (arch/x86/boot/compressed/kaslr.c, Linux 6.12): a kernel may be put into a fifth one. */
const KASLR_LIMIT = 4;

/** Whether the running kernel was given the region that was set up. */
export function commandLineCheck({ setup, commandLine }: DoctorFacts): Check {
  const id = 'kernel-command-line';
  if (setup === null || setup.state === 'undone' || setup.source === 'nvdimm') {
    return finding(id, 'ok', 'No region has to be on the kernel command line.');
  }
  const region = { start: setup.region.start, end: setup.region.start + setup.region.size };
  const wanted = `memmap=${formatPmemMemmap(region)}`;
  const maps = commandLineValues(commandLine, 'memmap').flatMap(parseMemmap);
  const present = maps.some(
    (map) => map.kind === 'pmem' && map.start === region.start && map.end === region.end,
  );
  if (present && maps.length > KASLR_LIMIT && !commandLine.includes('nokaslr')) {
    return finding(
      id,
      'warn',
      `There are ${maps.length} memmap= on the kernel command line; the kernel keeps clear of ${KASLR_LIMIT} only.`,
      'Add nokaslr to the kernel command line.',
    );
  }
  if (present) return finding(id, 'ok', `The kernel command line has ${wanted}.`);
  if (setup.state === 'reboot-needed') {
    return finding(id, 'fail', `The running kernel does not have ${wanted} yet.`, 'Reboot.');
  }
  return finding(
    id,
    'fail',
    `The kernel command line has lost ${wanted}.`,
    'Run `exuvia setup` with the same size again, then reboot.',
  );
}

/** Whether this kernel lets another be loaded. */
export function kexecAllowedCheck({ kexec, kexecProgram, lockdown }: DoctorFacts): Check {
  const id = 'kexec-allowed';
  if (kexec.loaded === null) {
    return finding(
      id,
      'fail',
      'The running kernel was built without kexec.',
      "Boot one of Debian's kernels.",
    );
  }
  if (!kexecProgram) {
    return finding(id, 'fail', 'The program kexec is not installed.', 'apt install kexec-tools');
  }
  if (kexec.loadDisabled) {
    return finding(
      id,
      'fail',
      'kernel.kexec_load_disabled is set; that cannot be taken back in this boot.',
      'Remove it from /etc/sysctl.d, then reboot.',
    );
  }
  if (kexec.loadLimit === 0) {
    return finding(
      id,
      'fail',
      'kernel.kexec_load_limit_reboot is used up.',
      'Remove it from /etc/sysctl.d, then reboot.',
    );
  }
  if (lockdown === 'confidentiality') {
    // emulated PMEM and kexec_file_load themselves are allowed; hibernation-like access to RAM is not.
    return finding(id, 'warn', 'Kernel lockdown is "confidentiality": only signed kernels can be loaded.');
  }
  return finding(id, 'ok', 'This kernel lets another kernel be loaded.');
}

/** Whether the kernel to be loaded must be signed. Debian's kernels are. */
export function kexecSignatureCheck({ lockdown, secureBoot, config }: DoctorFacts): Check {
  const id = 'kexec-signature';
  const forced = config?.get('KEXEC_SIG_FORCE') === 'y';
  if (lockdown === null || lockdown === 'none') {
    if (!forced) return finding(id, 'ok', 'Kernels need no signature to be loaded.');
  }
  const why = forced ? 'it was built so' : `lockdown is "${lockdown}"`;
  const trust = secureBoot === 'enabled' ? '' : ' Secure boot is off: only keys built into it count.';
  return finding(
    id,
    'warn',
    `The running kernel loads signed kernels only (${why}).${trust}`,
    "Update to Debian's signed kernels (linux-image-amd64), not to one of your own.",
  );
}

export function secureBootCheck({ secureBoot }: DoctorFacts): Check {
  const id = 'secure-boot';
  switch (secureBoot) {
    case 'enabled':
      return finding(id, 'ok', 'Secure boot is on; the kernels that are updated to must be signed.');
    case 'disabled':
      return finding(id, 'ok', 'Secure boot is off.');
    case 'no-efi':
      return finding(id, 'ok', 'This machine starts without UEFI.');
    case 'unknown':
      return finding(id, 'warn', 'The firmware does not say whether secure boot is on.');
  }
}
