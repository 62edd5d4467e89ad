import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../files/errno.ts';
import { readModule } from './read.ts';

const SECTION = '.note.gnu.build-id';

/** The build id of a loaded module, in hexadecimal; `null` when it is not loaded, is built in or has none. */
export async function loadedBuildId(name: string, root = '/'): Promise<string | null> {
  const file = join(root, 'sys/module', name.replaceAll('-', '_'), 'notes', SECTION);
  try {
    return parseBuildIdNote(await readFile(file));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** The build id of a module's file (perhaps compressed), in hexadecimal; `null` when it has none. */
export async function fileBuildId(path: string): Promise<string | null> {
  const note = elfSection(Buffer.from(await readModule(path)), SECTION);
  return note === null ? null : parseBuildIdNote(note);
}

/** A note of type NT_GNU_BUILD_ID (3), name `GNU` (gabi+, chapter 5). */
export function parseBuildIdNote(note: Buffer): string | null {
  if (note.length < 16 || note.readUInt32LE(8) !== 3) return null;
  const start = 12 + Math.ceil(note.readUInt32LE(0) / 4) * 4;
  return note.subarray(start, start + note.readUInt32LE(4)).toString('hex');
}

/** A section of a 64-bit little-endian ELF file; `null` when there is none of that name, or it is no such file. */
export function elfSection(file: Buffer, wanted: string): Buffer | null {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2) return null;
  const table = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  const header = (index: number) => file.subarray(table + index * size, table + (index + 1) * size);
  const content = (section: Buffer) => {
    const offset = Number(section.readBigUInt64LE(0x18));
    return file.subarray(offset, offset + Number(section.readBigUInt64LE(0x20)));
  };
  const names = content(header(file.readUInt16LE(0x3e)));
  for (let index = 0; index < file.readUInt16LE(0x3c); index++) {
    const section = header(index);
    const at = section.readUInt32LE(0);
    if (names.toString('latin1', at, names.indexOf(0, at)) === wanted) return content(section);
  }
  return null;
}
