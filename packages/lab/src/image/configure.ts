import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HOST_PATHS } from '@exuvia/contract';
import { LAN } from '../guests/specs.ts';
import type { Credentials } from './credentials.ts';
import { LAB_HOSTNAME } from './credentials.ts';
import { BOOT_UUID, ROOT_UUID } from './disk.ts';

/** The agent's TLS port inside the lab host. */
export const AGENT_PORT = 8443;
const TLS = '/etc/exuvia/tls';

/** Units that do nothing useful in a lab host and cost seconds on an emulated CPU. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty@tty1.service',
  'systemd-networkd-wait-online.service',
  'systemd-pcrmachine.service',
  'systemd-pcrphase.service',
  'systemd-pcrphase-initrd.service',
  'systemd-pcrphase-sysinit.service',
  'systemd-tpm2-setup.service',
  'systemd-tpm2-setup-early.service',
  'systemd-binfmt.service',
  'systemd-update-utmp.service',
  'systemd-hwdb-update.service',
  'systemd-boot-random-seed.service',
  'systemd-ask-password-wall.path',
  'systemd-ask-password-console.path',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'dev-mqueue.mount',
  'systemd-network-generator.service',
  'networking.service',
  'systemd-nsresourced.socket',
  'systemd-userdbd.socket',
  'grub-common.service',
  'grub-initrd-fallback.service',
  'ldconfig.service',
] as const;

/** What an agent's configuration says of the lab host's CPUs. */
export interface HostCpus {
  /** Where VMs may run; `null`: anywhere. */
  readonly vmCpus: string | null;
  /** How many CPUs a new kernel starts before the VMs run on; `null`: all. */
  readonly startCpus: number | null;
}

/** Writes what makes a Debian root file system this lab's host. */
export async function configureHost(
  root: string,
  credentials: Credentials,
  options: HostCpus & { readonly qemus: readonly string[] },
): Promise<void> {
  for (const [path, text] of Object.entries(await textFiles(root, credentials, options))) {
    await write(join(root, path), text);
  }
  await copyKey(credentials.hostKey, join(root, 'etc/ssh/ssh_host_ed25519_key'));
  await copyKey(credentials.server.key, join(root, TLS, 'server.key'));
  for (const unit of MASKED) await link(join(root, 'etc/systemd/system', unit), '/dev/null');
  await link(
    join(root, 'etc/systemd/system/multi-user.target.wants/systemd-networkd.service'),
    '/usr/lib/systemd/system/systemd-networkd.service',
  );
  await link(
    join(root, 'etc/systemd/system/sockets.target.wants/systemd-networkd.socket'),
    '/usr/lib/systemd/system/systemd-networkd.socket',
  );
  await link(join(root, 'etc/systemd/system/default.target'), '/usr/lib/systemd/system/multi-user.target');
}

async function textFiles(
  root: string,
  credentials: Credentials,
  options: HostCpus & { readonly qemus: readonly string[] },
): Promise<Record<string, string>> {
  const publicKey = await readFile(`${credentials.sshKey}.pub`, 'utf8');
  const passwd = await readFile(join(root, 'etc/shadow'), 'utf8');
  return {
    'etc/hostname': `${LAB_HOSTNAME}\n`,
    'etc/hosts': `127.0.0.1 localhost ${LAB_HOSTNAME}\n::1 localhost\n`,
    'etc/fstab': `UUID=${ROOT_UUID} / ext4 defaults,noatime 0 1\nUUID=${BOOT_UUID} /boot/efi vfat umask=0077,noauto 0 0\n`,
    'etc/machine-id': 'e0f1a2b3c4d54e6f8a9b0c1d2e3f4a5b\n',
    'etc/systemd/network/10-br0.netdev': '[NetDev]\nName=br0\nKind=bridge\n',
    'etc/systemd/network/20-lan.network':
      '[Match]\nName=eth1\n[Network]\nBridge=br0\nLinkLocalAddressing=no\n',
    'etc/systemd/network/30-br0.network': `[Match]\nName=br0\n[Network]\nAddress=${LAN.host}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n`,
    'etc/systemd/network/80-lab.network':
      '[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n',
    'etc/systemd/journald.conf.d/lab.conf': '[Journal]\nStorage=persistent\nSystemMaxUse=32M\n',
    'etc/systemd/system.conf.d/lab.conf': '[Manager]\nDefaultTimeoutStopSec=20s\nShowStatus=no\n',
    'etc/ssh/sshd_config.d/lab.conf':
      'PermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\nHostKey /etc/ssh/ssh_host_ed25519_key\n',
    'root/.ssh/authorized_keys': publicKey,
    'etc/shadow': passwd.replace(/^root:[^:]*:/m, 'root::'),
    'etc/default/grub.d/10-lab.cfg': GRUB_DEFAULTS,
    [`${TLS.slice(1)}/ca.crt`]: await readFile(credentials.ca, 'utf8'),
    [`${TLS.slice(1)}/server.crt`]: await readFile(credentials.server.cert, 'utf8'),
    [HOST_PATHS.config.slice(1)]: agentConfiguration(options),
  };
}

const GRUB_DEFAULTS = `GRUB_DEFAULT=saved
GRUB_TIMEOUT=0
GRUB_DISABLE_SUBMENU=y
GRUB_DISABLE_OS_PROBER=true
GRUB_TERMINAL=console
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="${kernelArguments()}"
`;

/** What every boot of a lab host has on its kernel command line, beside the root. */
export function kernelArguments(): string {
  return 'console=ttyS0 net.ifnames=0';
}

function agentConfiguration({
  vmCpus,
  startCpus,
  qemus,
}: HostCpus & { readonly qemus: readonly string[] }): string {
  const cpus = vmCpus === null ? '' : `vmCpus: '${vmCpus}'\n`;
  const start = startCpus === null ? '' : `kernelArguments: ['maxcpus=${startCpus}']\n`;
  return `version: 1
remote:
  listen: 0.0.0.0:${AGENT_PORT}
  ca: ${TLS}/ca.crt
  cert: ${TLS}/server.crt
  key: ${TLS}/server.key
${cpus}${start}qemus: ${JSON.stringify(qemus)}
allowFaultInjection: true
`;
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function copyKey(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await rm(to, { force: true });
  await copyFile(from, to);
}

async function link(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await symlink(target, path);
}
