import { readFile } from 'node:fs/promises';
import { isErrno } from '../files/errno.ts';
import { readIfExists } from '../files/read.ts';

export type Lockdown = 'none' | 'integrity' | 'confidentiality';
export type SecureBoot = 'enabled' | 'disabled' | 'no-efi' | 'unknown';

/** The kernel's lockdown mode; `null` when the kernel has none or securityfs is not mounted. */
export async function lockdown(): Promise<Lockdown | null> {
  const text = await readIfExists('/sys/kernel/security/lockdown');
  return text === null ? null : parseLockdown(text);
}

/** Reads the mode in force out of `none [integrity] confidentiality`. */
export function parseLockdown(text: string): Lockdown | null {
  const mode = /\[(none|integrity|confidentiality)\]/.exec(text)?.[1];
  return mode === 'none' || mode === 'integrity' || mode === 'confidentiality' ? mode : null;
}

/** The UEFI specification's global variable GUID. */
const SECURE_BOOT = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** Whether the firmware checks what it boots. `unknown`: UEFI, but the variable cannot be read. */
export async function secureBoot(): Promise<SecureBoot> {
  if ((await readIfExists('/sys/firmware/efi/fw_platform_size')) === null) return 'no-efi';
  try {
    return parseSecureBoot(await readFile(SECURE_BOOT));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 'unknown';
    throw error;
  }
}

/** An efivarfs file: four bytes of attributes, then the value. */
export function parseSecureBoot(variable: Uint8Array): SecureBoot {
  if (variable.length !== 5) return 'unknown';
  return variable[4] === 1 ? 'enabled' : 'disabled';
}
