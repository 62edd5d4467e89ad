import { ExuviaError } from '@exuvia/contract';
import { type Apt, newestVersion } from './apt.ts';

/** What the lab host has beside its kernels, and why. */
export const HOST_PACKAGES: readonly string[] = [
  // An ordinary Debian system.
  'systemd',
  'systemd-sysv',
  'dbus',
  'udev',
  'kmod',
  'procps',
  'iproute2',
  'util-linux',
  'e2fsprogs',
  'initramfs-tools',
  'zstd',
  'xz-utils',
  'openssh-server',
  'ca-certificates',
  'apt',
  // A UEFI boot loader.
  'grub-efi-amd64',
  'grub-efi-amd64-signed',
  'ovmf',
  // A VM host.
  'qemu-system-x86',
  'qemu-utils',
  'kexec-tools',
];

/** What the mirror offers today, by release. */
export interface Pins {
  /** Releases as `uname -r` says them. */
  readonly kernels: { readonly old: string; readonly new: string };
  /** Version of the second QEMU, unpacked beside the installed one; `null` when backports has none. */
  readonly newQemu: string | null;
}

/**
 * Chooses the two kernels and the second QEMU from what the mirror offers.
 *
 * The new kernel is the newest 7.2; a mirror that has dropped it gives the newest later one.
 */
export async function choosePins(apt: Apt): Promise<Pins> {
  const names = await apt.names('^linux-image-[0-9.]+\\+deb13(\\.[0-9]+)?-cloud-amd64$');
  const releases = names.map((name) => name.replace(/^linux-image-/, ''));
  const old = await newestVersion(releases.filter((release) => release.startsWith('6.12.')));
  const next =
    (await newestVersion(releases.filter((release) => release.startsWith('7.2.')))) ??
    (await newestVersion(releases.filter((release) => Number.parseInt(release, 10) >= 7)));
  if (old === undefined || next === undefined) {
    throw new ExuviaError(
      'mirror-incomplete',
      'The Debian mirror offers no pair of kernels to update between.',
      {
        hint: 'Choose a mirror that has trixie and trixie-backports: exuvia lab image --mirror URL.',
      },
    );
  }
  const qemus = await apt.versions('qemu-system-x86');
  const newQemu = await newestVersion(qemus.filter((version) => version.includes('~bpo13')));
  return { kernels: { old, new: next }, newQemu: newQemu ?? null };
}
