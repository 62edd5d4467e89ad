import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { Kallsyms } from '../symbols/kallsyms.ts';
import { openOrc } from '../unwind/orc-table.ts';
import { type KernelTables, sourcesOf } from './tables.ts';

/**
 * A kernel's tables as a file:
 *
 *   8 bytes   magic, with the version of this format
 *   4 bytes   CRC-32 of the header and what was computed
 *   4 bytes   length of the header, in bytes
 *   header    JSON, padded with spaces to a multiple of 8 bytes
 *   arrays    what was computed, each padded to 8 bytes: loaded as it lies here
 *   sources   what it was computed from, byte for byte as in the guest's image
 *
 * The build id alone does not say that the tables are those of a guest: any guest can show any build id. Its
 * image must be the same as the sources. They are compared, so that nothing that one guest says is ever taken
 * for the truth about another.
 */
const MAGIC = Buffer.from('EXVGST01', 'latin1');
const FIXED_BYTES = 16;
const MAX_HEADER = 65_536;

const extentSchema = z.object({ offset: z.int().nonnegative(), size: z.int().positive() });

const headerSchema = z.object({
  buildId: z.string().regex(/^[0-9a-f]{16,128}$/),
  layout: z.object({
    notes: extentSchema,
    btf: extentSchema,
    orcIps: extentSchema,
    orcEntries: extentSchema,
    code: z.array(extentSchema),
  }),
  kallsyms: z.object({
    encoding: z.enum(['absolute-percpu', 'base-relative', 'place-relative']),
    absolute: z.int().nonnegative(),
    sources: z.array(extentSchema),
    origin: z.object({ at: z.int().nonnegative(), distance: z.int().nonnegative() }).nullable(),
  }),
  strings: z.object({ start: z.int().nonnegative(), end: z.int().nonnegative() }),
  arrays: z.array(z.int().nonnegative()).length(8),
});

type Header = z.infer<typeof headerSchema>;

export function encodeTables(tables: KernelTables): Buffer {
  const { buildId, layout, kallsyms, btf, sources } = tables;
  const { names, addresses, index, encoding, origin } = kallsyms;
  const arrays = [
    names.bytes,
    names.starts,
    addresses.values,
    index.heads,
    index.next,
    btf.records,
    btf.index.heads,
    btf.index.next,
  ].map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength));
  const header: Header = {
    buildId,
    layout: { ...layout, code: [...layout.code] },
    kallsyms: { encoding, absolute: addresses.absolute, sources: [...kallsyms.sources], origin },
    strings: btf.strings,
    arrays: arrays.map(({ length }) => length),
  };
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc(padding(text.length), ' ')]);
  const computed = Buffer.concat([
    padded,
    ...arrays.flatMap((array) => [array, Buffer.alloc(padding(array.length))]),
  ]);
  const fixed = Buffer.alloc(FIXED_BYTES);
  MAGIC.copy(fixed);
  fixed.writeUInt32LE(crc32(computed), 8);
  fixed.writeUInt32LE(padded.length, 12);
  return Buffer.concat([fixed, computed, ...sources]);
}

/**
 * The tables in a file, for an image whose parts are those that they were computed from; null when they are
 * not, or the file is damaged.
 *
 * @param part reads a part of the guest's image.
 */
export function decodeTables(
  file: Buffer,
  base: bigint,
  part: (offset: number, size: number) => Buffer,
): KernelTables | null {
  const header = decodeHeader(file);
  if (header === null) return null;
  const { layout, kallsyms, buildId, strings } = header;
  const extents = sourcesOf(layout, kallsyms.sources);
  let at = file.length - extents.reduce((sum, { size }) => sum + size, 0);
  if (at !== FIXED_BYTES + file.readUInt32LE(12) + arraysLength(header)) return null;
  const sources: Buffer[] = [];
  for (const { offset, size } of extents) {
    const now = part(offset, size);
    if (now.compare(file, at, at + size) !== 0) return null;
    sources.push(now);
    at += size;
  }
  const { origin } = kallsyms;
  if (origin !== null && part(origin.at, 8).readBigUInt64LE(0) !== base + BigInt(origin.distance))
    return null;
  const [bytes, starts, values, heads, next, records, btfHeads, btfNext] = arraysIn(file, header);
  const [btf, ips, entries] = sources;
  if (btf === undefined || ips === undefined || entries === undefined) return null;
  const names = {
    bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
    starts: unsigned(starts),
  };
  const addresses: Kallsyms['addresses'] = {
    values: new Int32Array(values.buffer, values.byteOffset, values.length / 4),
    absolute: kallsyms.absolute,
  };
  return {
    buildId,
    layout,
    kallsyms: { ...kallsyms, names, addresses, index: { heads: unsigned(heads), next: unsigned(next) } },
    btf: {
      bytes: btf,
      strings,
      records: unsigned(records),
      index: { heads: unsigned(btfHeads), next: unsigned(btfNext) },
    },
    orc: openOrc(ips, entries, layout.orcIps.offset),
    sources,
  };
}

function decodeHeader(file: Buffer): Header | null {
  if (file.length < FIXED_BYTES || file.compare(MAGIC, 0, 8, 0, 8) !== 0) return null;
  const length = file.readUInt32LE(12);
  if (length > MAX_HEADER || length % 8 !== 0 || FIXED_BYTES + length > file.length) return null;
  const text = file.toString('utf8', FIXED_BYTES, FIXED_BYTES + length);
  const header = headerSchema.safeParse(jsonOf(text));
  if (!header.success) return null;
  const end = FIXED_BYTES + length + arraysLength(header.data);
  if (end > file.length || crc32(file.subarray(FIXED_BYTES, end)) !== file.readUInt32LE(8)) return null;
  return header.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function arraysLength({ arrays }: Header): number {
  return arrays.reduce((sum, length) => sum + length + padding(length), 0);
}

type EightArrays = [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];

function arraysIn(file: Buffer, { arrays }: Header): EightArrays {
  let at = FIXED_BYTES + file.readUInt32LE(12);
  return arrays.map((length) => {
    const array = file.subarray(at, at + length);
    at += length + padding(length);
    return array;
  }) as EightArrays;
}

function unsigned(bytes: Buffer): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function padding(length: number): number {
  return -length & 7;
}
