import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../files/errno.ts';
import type { BootLoader } from './boot-loader.ts';
import { grub } from './grub.ts';
import { kernelInstall } from './kernel-install.ts';

/** The boot loader interface's variable that says which program started the kernel. */
const LOADER_INFO = 'sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';

/**
 * The boot loader that this machine uses, `null` when it is none that Exuvia can configure. Where two are
 * installed, the one that started this boot counts, if it says so; else GRUB, Debian's own.
 */
export async function detectBootLoader(root = '/'): Promise<BootLoader | null> {
  const [info, hasGrub, hasSystemdBoot] = await Promise.all([
    loaderInfo(root),
    exists(join(root, 'boot/grub/grub.cfg')),
    anyExists(['boot/loader/loader.conf', 'efi/loader/loader.conf', 'boot/efi/loader/loader.conf'], root),
  ]);
  if (info.startsWith('systemd-boot') && hasSystemdBoot) return kernelInstall(root);
  if (hasGrub) return grub(root);
  return hasSystemdBoot ? kernelInstall(root) : null;
}

/** An EFI variable: four bytes of attributes, then UTF-16 text, for example `systemd-boot 257.9`. */
async function loaderInfo(root: string): Promise<string> {
  try {
    const bytes = await readFile(join(root, LOADER_INFO));
    return bytes.subarray(4).toString('utf16le').replaceAll('\0', '');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return '';
    throw error;
  }
}

async function anyExists(paths: readonly string[], root: string): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => exists(join(root, path))));
  return found.includes(true);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
