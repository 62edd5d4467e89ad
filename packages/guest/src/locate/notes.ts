import { alignUp } from '../support/align.ts';

/** ELF note type of a build id (NT_GNU_BUILD_ID). */
const BUILD_ID = 3;
const MAX_NOTES = 64;

/**
 * The build id in a `.notes` section, in hexadecimal; null when there is none.
 * A note: sizes of name and description and the type (32 bits each), name, description, each padded to 4 bytes.
 */
export function buildIdIn(notes: Buffer): string | null {
  let at = 0;
  for (let count = 0; count < MAX_NOTES && at + 12 <= notes.length; count++) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const type = notes.readUInt32LE(at + 8);
    const name = at + 12;
    const start = name + alignUp(nameSize, 4);
    if (start + size > notes.length) return null;
    if (
      type === BUILD_ID &&
      size >= 8 &&
      size <= 64 &&
      notes.toString('latin1', name, name + nameSize) === 'GNU\0'
    ) {
      return notes.toString('hex', start, start + size);
    }
    at = start + alignUp(size, 4);
  }
  return null;
}
