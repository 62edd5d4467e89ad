import { type Check, ExuviaError } from '@exuvia/contract';
import { parseKernelConfig } from '@exuvia/sys';
import { expect, test } from 'vitest';
import { diagnose, doctor, hostChecks } from './doctor.ts';
import { type DoctorFacts, parseMeminfo } from './facts.ts';

const GIB = 2 ** 30;

/** A Debian 13 host on which everything is as it should be. */
const GOOD: DoctorFacts = {
  kernel: '6.12.117+deb13-amd64',
  config: parseKernelConfig(
    [
      'CONFIG_KEXEC_FILE=y',
      'CONFIG_X86_PMEM_LEGACY=m',
      'CONFIG_BLK_DEV_PMEM=m',
      'CONFIG_FS_DAX=y',
      'CONFIG_EXT4_FS=m',
      'CONFIG_KVM=m',
      'CONFIG_BLK_DEV_INITRD=y',
    ].join('\n'),
  ),
  kernels: [],
  commandLine: ['root=/dev/vda1', 'ro', 'memmap=2G!8G'],
  setup: {
    version: 1,
    region: { start: 8 * GIB, size: 2 * GIB },
    source: 'memmap',
    state: 'ready',
    before: [],
  },
  kexec: { loaded: false, loadDisabled: false, loadLimit: null },
  kexecProgram: true,
  lockdown: 'none',
  secureBoot: 'disabled',
  qemu: {
    binary: '/usr/bin/qemu-system-x86_64',
    version: '10.0.13',
    migrationModes: ['normal', 'cpr-reboot', 'cpr-transfer'],
    migrationCapabilities: ['xbzrle', 'x-ignore-shared'],
    auxRamShare: true,
  },
  memory: { totalBytes: 4 * GIB, availableBytes: 2 * GIB },
  bootLoader: 'grub',
  root: { type: 'ext4', source: '/dev/vda1', below: 'disk' },
  clock: { constantTsc: true, nonstopTsc: true, clocksource: 'tsc' },
  kvm: true,
};

const one = (id: string, fields: Partial<DoctorFacts>): Check | undefined =>
  hostChecks({ ...GOOD, ...fields }).find((check) => check.id === id);

test('on a good host every check is fine, in a fixed order', () => {
  expect(hostChecks(GOOD).map((check) => `${check.id} ${check.verdict}: ${check.reason}`)).toEqual([
    'kernel-config ok: Kernel 6.12.117+deb13-amd64 has all that an update by kexec needs.',
    'kernel-command-line ok: The kernel command line has memmap=2G!8G.',
    'kexec-allowed ok: This kernel lets another kernel be loaded.',
    'kexec-signature ok: Kernels need no signature to be loaded.',
    'secure-boot ok: Secure boot is off.',
    'boot-loader ok: The boot loader is GRUB; Exuvia can choose its kernel.',
    'kvm ok: /dev/kvm is there.',
    'qemu ok: QEMU 10.0.13 can save and restore VMs in place.',
    "memory ok: 2G of the host's own 4G is available.",
    'root-file-system ok: The root file system is ext4 on /dev/vda1.',
    'clock ok: The TSC runs at one rate and never stops; times across the jump are exact.',
  ]);
});

const BAD: [string, Partial<DoctorFacts>, Check['verdict'], string][] = [
  [
    'kernel-config',
    { config: null },
    'warn',
    'The configuration of kernel 6.12.117+deb13-amd64 cannot be found.',
  ],
  [
    'kernel-config',
    { config: new Map([['KVM', 'm']]) },
    'fail',
    'Kernel 6.12.117+deb13-amd64 was built without KEXEC_FILE, X86_PMEM_LEGACY, BLK_DEV_PMEM, FS_DAX, EXT4_FS, BLK_DEV_INITRD.',
  ],
  ['kernel-command-line', { commandLine: ['ro'] }, 'fail', 'The kernel command line has lost memmap=2G!8G.'],
  [
    'kernel-command-line',
    { commandLine: ['memmap=2G!8G', 'memmap=1G!1G,1G!2G,1G!3G,1G!4G'] },
    'warn',
    'There are 5 memmap= on the kernel command line; the kernel keeps clear of 4 only.',
  ],
  [
    'kernel-command-line',
    { commandLine: ['memmap=2G!6G'], setup: GOOD.setup && { ...GOOD.setup, state: 'reboot-needed' } },
    'fail',
    'The running kernel does not have memmap=2G!8G yet.',
  ],
  [
    'kernel-command-line',
    { commandLine: [], setup: null },
    'ok',
    'No region has to be on the kernel command line.',
  ],
  [
    'kexec-allowed',
    { kexec: { loaded: null, loadDisabled: false, loadLimit: null } },
    'fail',
    'The running kernel was built without kexec.',
  ],
  ['kexec-allowed', { kexecProgram: false }, 'fail', 'The program kexec is not installed.'],
  [
    'kexec-allowed',
    { kexec: { loaded: false, loadDisabled: true, loadLimit: null } },
    'fail',
    'kernel.kexec_load_disabled is set; that cannot be taken back in this boot.',
  ],
  [
    'kexec-allowed',
    { kexec: { loaded: false, loadDisabled: false, loadLimit: 0 } },
    'fail',
    'kernel.kexec_load_limit_reboot is used up.',
  ],
  [
    'kexec-signature',
    { lockdown: 'integrity', secureBoot: 'enabled' },
    'warn',
    'The running kernel loads signed kernels only (lockdown is "integrity").',
  ],
  [
    'kexec-signature',
    { config: new Map([['KEXEC_SIG_FORCE', 'y']]) },
    'warn',
    'The running kernel loads signed kernels only (it was built so). Secure boot is off: only keys built into it count.',
  ],
  ['secure-boot', { secureBoot: 'no-efi' }, 'ok', 'This machine starts without UEFI.'],
  ['secure-boot', { secureBoot: 'unknown' }, 'warn', 'The firmware does not say whether secure boot is on.'],
  [
    'boot-loader',
    { bootLoader: null },
    'warn',
    'No boot loader was found that Exuvia can configure (GRUB, systemd-boot).',
  ],
  ['kvm', { kvm: false }, 'fail', 'There is no /dev/kvm.'],
  [
    'qemu',
    { qemu: new ExuviaError('qemu-missing', 'There is no QEMU at /usr/bin/q.', { hint: 'apt' }) },
    'fail',
    'There is no QEMU at /usr/bin/q.',
  ],
  [
    'qemu',
    {
      qemu: {
        binary: 'q',
        version: '7.2.0',
        migrationModes: [],
        migrationCapabilities: [],
        auxRamShare: false,
      },
    },
    'fail',
    'QEMU 7.2.0 lacks the migration mode cpr-reboot and the capability x-ignore-shared.',
  ],
  [
    'qemu',
    {
      qemu: {
        binary: 'q',
        version: '9.2.0',
        migrationModes: ['cpr-reboot'],
        migrationCapabilities: ['x-ignore-shared'],
        auxRamShare: false,
      },
    },
    'warn',
    'QEMU 9.2.0 lacks aux-ram-share: VMs can outlive a new kernel, but not move to a new QEMU.',
  ],
  [
    'memory',
    { memory: { totalBytes: GIB, availableBytes: 100 * 2 ** 20 } },
    'fail',
    "100M of the host's own 1G is available. An update needs 192M.",
  ],
  [
    'root-file-system',
    { root: { type: 'nfs4', source: 'server:/root', below: 'none' } },
    'fail',
    'The root file system is nfs4 on server:/root; VMs can be restored from ext4 and xfs.',
  ],
  [
    'root-file-system',
    { root: { type: 'ext4', source: '/dev/mapper/vg-root', below: 'device-mapper' } },
    'fail',
    'The root file system is ext4 on /dev/mapper/vg-root, on LVM or encrypted; early in the boot only plain disks and partitions can be mounted.',
  ],
  [
    'root-file-system',
    { root: { type: 'xfs', source: '/dev/md0', below: 'raid' } },
    'fail',
    'The root file system is xfs on /dev/md0, on a software RAID; early in the boot only plain disks and partitions can be mounted.',
  ],
  ['root-file-system', { root: null }, 'fail', 'The root file system cannot be determined.'],
  [
    'clock',
    { clock: { constantTsc: true, nonstopTsc: false, clocksource: 'hpet' } },
    'warn',
    'The CPU does not promise nonstop_tsc; times across the jump may be wrong (clock source: hpet).',
  ],
];

test.each(BAD)('%s: %j is %s', (id, fields, verdict, reason) => {
  expect(one(id, fields)).toMatchObject({ subject: 'host', verdict, reason });
});

test('what fails has a remedy', () => {
  for (const [id, fields, verdict] of BAD) {
    if (verdict === 'fail') expect(one(id, fields)?.remedy, id).toMatch(/\S/);
  }
});

test('a host without faults can be updated by every handover', () => {
  expect(diagnose(hostChecks(GOOD)).handovers).toEqual([
    { handover: 'vmm', possible: true, reasons: [] },
    { handover: 'module', possible: true, reasons: [] },
    { handover: 'kexec', possible: true, reasons: [] },
    { handover: 'reboot', possible: true, reasons: [] },
  ]);
});

test('what stops a kexec need not stop the others; what stops a VM from being saved stops all', () => {
  const root = { type: 'ext4', source: '/dev/mapper/root', below: 'device-mapper' } as const;
  expect(diagnose(hostChecks({ ...GOOD, root })).handovers.map(({ possible }) => possible)).toEqual([
    true,
    true,
    false,
    true,
  ]);
  const blocked: Check = { id: 'vm-migration-blockers', subject: 'tiny', verdict: 'fail', reason: 'No.' };
  expect(diagnose([...hostChecks(GOOD), blocked]).handovers).toEqual([
    { handover: 'vmm', possible: false, reasons: ['VM tiny: No.'] },
    { handover: 'module', possible: false, reasons: ['VM tiny: No.'] },
    { handover: 'kexec', possible: false, reasons: ['VM tiny: No.'] },
    { handover: 'reboot', possible: false, reasons: ['VM tiny: No.'] },
  ]);
});

test('this machine can be examined, store and VMs included', async () => {
  const result = await doctor({
    store: {
      checks: async () => [{ id: 'store', subject: 'host', verdict: 'fail', reason: 'None.' }],
    },
    vms: {
      list: async () => [],
      checks: async () => [],
    },
    probeQemu: async () => {
      throw new Error('broken');
    },
  });
  expect(result.checks.map((check) => check.id)).toEqual([
    ...hostChecks(GOOD).map((check) => check.id),
    'store',
  ]);
  expect(result.checks.find((check) => check.id === 'qemu')?.reason).toBe('QEMU could not be examined.');
  expect(result.handovers.every((handover) => !handover.possible)).toBe(true);
});

test('memory is read in bytes', () => {
  expect(parseMeminfo('MemTotal:       24684092 kB\nMemAvailable:    8 kB\n', 'MemAvailable')).toBe(8192);
  expect(parseMeminfo('', 'MemTotal')).toBe(0);
});
