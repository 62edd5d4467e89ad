import { crc32 } from 'node:zlib';

/** A plan for a native program with its last line, which says what all the others must look like (native/common/text.h). */
export function withChecksum(lines: readonly string[]): string {
  const text = `${lines.join('\n')}\n`;
  return `${text}checksum ${crc32(text).toString(16).padStart(8, '0')}\n`;
}
