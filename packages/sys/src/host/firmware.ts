import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../files/errno.ts';
import { readIfExists } from '../files/read.ts';

const DMI = ['sys_vendor', 'product_name', 'bios_vendor', 'bios_version', 'bios_date'];

/** Machine and firmware as they call themselves (Linux drivers/firmware/dmi-id.c); empty where nobody says. */
export async function firmwareName(root = '/'): Promise<string> {
  const parts = await Promise.all(DMI.map((name) => readIfExists(join(root, 'sys/class/dmi/id', name))));
  return parts
    .map((part) => (part ?? '').trim())
    .filter((part) => part !== '')
    .join(' ');
}

/** The UEFI specification's global variables, and the TCG's Platform Reset Attack Mitigation Specification's. */
const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const OVERWRITE_REQUEST = 'MemoryOverwriteRequestControl-e20939be-32d4-41be-a150-897f85d49829';
/**
 * To the firmware's own menu (0x01), an update of itself from a disk (0x04), a recovery (0x20, 0x40): UEFI 2.10, 8.5.4.
 */
const OTHER_THAN_BOOT = 0x65;

/**
 * Why the next restart through the firmware may treat memory otherwise than the last one did: it has been asked to clear
 * it, or to do something else before it boots. `null`: nothing says so.
 */
export async function memoryResetProblem(root = '/'): Promise<string | null> {
  const firmware = join(root, 'sys/firmware/efi');
  if ((await readIfExists(join(firmware, 'fw_platform_size'))) === null) return null;
  const variable = (name: string) => efiVariable(join(firmware, 'efivars', name));
  try {
    // Every firmware has it: without it the others are not there because nothing is.
    if ((await variable(`BootOrder-${GLOBAL}`)) === null) {
      return 'What the firmware has been asked to do at the next restart is not known: it shows no variables.';
    }
    if (((await variable(OVERWRITE_REQUEST))?.[0] ?? 0) & 1) {
      return 'The firmware has been asked to clear all memory at the next restart (MemoryOverwriteRequestControl).';
    }
    if (((await variable(`OsIndications-${GLOBAL}`))?.[0] ?? 0) & OTHER_THAN_BOOT) {
      return 'The firmware has been asked for something else than a start at the next restart (OsIndications).';
    }
    if ((await variable(`BootNext-${GLOBAL}`)) !== null) {
      return 'The firmware has been asked to start another program at the next restart (BootNext).';
    }
    return null;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `What the firmware has been asked to do at the next restart is not known: ${why}`;
  }
}

/** The value of a variable: the file begins with four bytes of attributes (Linux, efivarfs.rst). */
async function efiVariable(path: string): Promise<Uint8Array | null> {
  try {
    return (await readFile(path)).subarray(4);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

const REBOOT_MODE = 'sys/kernel/reboot/mode';

/**
 * How the kernel asks for its restart (Linux, Documentation/ABI/testing/sysfs-kernel-reboot): firmware may test, and so
 * clear, all memory in a `cold` one. `null`: this kernel does not say.
 */
export async function rebootMode(root = '/'): Promise<string | null> {
  return (await readIfExists(join(root, REBOOT_MODE)))?.trim() ?? null;
}

/** For this boot's restart only. */
export async function setRebootMode(mode: string, root = '/'): Promise<void> {
  await writeFile(join(root, REBOOT_MODE), mode, { flag: 'r+' });
}
