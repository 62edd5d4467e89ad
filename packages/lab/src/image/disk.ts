import { cp, mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { patiently } from '../support/patience.ts';
import { kernelArguments } from './configure.ts';
import type { Pins } from './packages.ts';

/** Fixed, so that the boot loader's configuration can be written before there is a file system. */
export const ROOT_UUID = '8f3c5e0a-6b1d-4a52-9c77-ec51b0d6a001';
export const BOOT_UUID = 'E401-A001';

const MIB = 2 ** 20;
const ESP = { startMiB: 1, sizeMiB: 8 };
/** Where the root file system begins in the image, in bytes. */
export const ROOT_OFFSET = (ESP.startMiB + ESP.sizeMiB) * MIB;
const DISK_MIB = 6144;

/** The id of a kernel's entry in the boot menu, as Debian's update-grub names it too. */
export function menuEntryId(release: string): string {
  return `gnulinux-${release}-advanced-${ROOT_UUID}`;
}

/**
 * Makes a bootable GPT disk image out of a root file system: an EFI system partition with Debian's signed
 * GRUB and an ext4 root. Needs no loop device.
 */
export async function makeDisk(root: string, image: string, pins: Pins): Promise<void> {
  await writeFirstGrubConfiguration(root, pins);
  // As grub-install leaves it: update-grub's menu loads modules that are not in the loader itself.
  await cp(join(root, 'usr/lib/grub/x86_64-efi'), join(root, 'boot/grub/x86_64-efi'), { recursive: true });
  await (await open(image, 'w')).close();
  await truncate(image, DISK_MIB * MIB);
  await run('sfdisk', ['--quiet', image], { input: partitionTable() });
  await makeBootPartition(root, image);
  const blocks = (DISK_MIB * MIB - ROOT_OFFSET - MIB) / 4096;
  await run(
    'mke2fs',
    [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-b',
      '4096',
      '-m',
      '0',
      '-L',
      'root',
      '-U',
      ROOT_UUID,
      '-E',
      `offset=${ROOT_OFFSET},lazy_itable_init=0,lazy_journal_init=0`,
      '-J',
      'size=16',
      '-O',
      '^metadata_csum_seed,^orphan_file',
      '-d',
      root,
      image,
      String(blocks),
    ],
    { timeoutMs: patiently(600_000) },
  );
}

function partitionTable(): string {
  const esp = `start=${ESP.startMiB}MiB, size=${ESP.sizeMiB}MiB, type=U`;
  const root = `start=${ROOT_OFFSET / MIB}MiB, size=${DISK_MIB - ROOT_OFFSET / MIB - 1}MiB, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709`;
  return `label: gpt\n${esp}\n${root}\n`;
}

async function makeBootPartition(root: string, image: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'exuvia-esp-'));
  try {
    const stub = join(work, 'grub.cfg');
    await writeFile(
      stub,
      `search.fs_uuid ${ROOT_UUID} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n`,
    );
    const at = `${image}@@${ESP.startMiB}M`;
    const sectors = String((ESP.sizeMiB * MIB) / 512);
    const env = { MTOOLS_SKIP_CHECK: '1' };
    await run(
      'mformat',
      ['-i', at, '-T', sectors, '-h', '16', '-s', '32', '-N', BOOT_UUID.replace('-', ''), '::'],
      { env },
    );
    await run('mmd', ['-i', at, '::/EFI', '::/EFI/BOOT', '::/EFI/debian'], { env });
    const loader = join(root, 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed');
    await run('mcopy', ['-i', at, loader, '::/EFI/BOOT/BOOTX64.EFI'], { env });
    await run('mcopy', ['-i', at, stub, '::/EFI/debian/grub.cfg'], { env });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A boot menu as update-grub would write it, for the first boot; the host's own update-grub replaces it. */
async function writeFirstGrubConfiguration(root: string, pins: Pins): Promise<void> {
  const entry = (
    release: string,
  ) => `menuentry 'Debian GNU/Linux, with Linux ${release}' --id '${menuEntryId(release)}' {
  search --no-floppy --fs-uuid --set=root ${ROOT_UUID}
  linux /boot/vmlinuz-${release} root=UUID=${ROOT_UUID} ro ${kernelArguments()} quiet
  initrd /boot/initrd.img-${release}
}
`;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of GRUB's own
  const header = 'load_env\nset default="${saved_entry}"\nset timeout=0\n';
  await mkdir(join(root, 'boot/grub'), { recursive: true });
  await writeFile(
    join(root, 'boot/grub/grub.cfg'),
    `${header}${entry(pins.kernels.old)}${entry(pins.kernels.new)}`,
  );
  await writeFile(
    join(root, 'boot/grub/grubenv'),
    grubEnvironment({ saved_entry: menuEntryId(pins.kernels.old) }),
  );
}

const GRUB_ENVIRONMENT_BYTES = 1024;

/** The content of GRUB's environment block: exactly 1024 bytes, filled up with `#`. */
export function grubEnvironment(variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  return `# GRUB Environment Block\n${lines.join('')}`.padEnd(GRUB_ENVIRONMENT_BYTES, '#');
}
