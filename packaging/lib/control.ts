/**
 * What the agent and the native programs call on a host, by package. Nothing is listed that Debian marks
 * essential (util-linux, dpkg, grep, ...).
 */
const DEPENDS = [
  'debconf (>= 0.5) | debconf-2.0',
  'e2fsprogs',
  'iproute2',
  'kexec-tools',
  'kmod',
  'mount',
  // kill, for a reload.
  'procps',
  // 10.0: cpr-transfer, and aux-ram-share, without which a VM could never be updated.
  'qemu-system-x86 (>= 1:10.0)',
  // 254: RestartSteps; 257 is what Debian 13 has and what Exuvia is tested with.
  'systemd (>= 257)',
  'udev',
  'xz-utils',
  'zstd',
];

/** The package's control file. `installedKiB` as Debian's policy 5.6.20 has it. */
export function controlFile(version: string, installedKiB: number): string {
  return `Package: exuvia
Version: ${version}
Architecture: amd64
Maintainer: The Exuvia authors <exuvia@localhost>
Installed-Size: ${installedKiB}
Depends: ${DEPENDS.join(', ')}
Recommends: openssl
Suggests: grub-pc | grub-efi-amd64, qemu-utils
Section: admin
Priority: optional
Description: live update of a KVM host underneath its running VMs
 Exuvia replaces the software of a host (its kernel by kexec) while its virtual machines
 live on: their memory stays where it is, their device state is saved and restored around the jump, and the
 report of every update says for how long each of them did not run.
 .
 This package has the agent, the exuvia command, the native programs that work while no VM
 runs, and a Node.js of its own.
`;
}
