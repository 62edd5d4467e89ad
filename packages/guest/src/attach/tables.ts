import { GuestError } from '../errors.ts';
import { buildIdIn } from '../locate/notes.ts';
import { type Extent, type Kallsyms, parseKallsyms } from '../symbols/kallsyms.ts';
import { createSymbolTable } from '../symbols/table.ts';
import { type Btf, parseBtf } from '../types/btf.ts';
import { type OrcTable, openOrc, verifyOrc } from '../unwind/orc-table.ts';
import { findLayout, type Layout } from './layout.ts';

/** What is known of a kernel from its image alone, wherever it lies. */
export interface KernelTables {
  readonly buildId: string;
  readonly layout: Layout;
  readonly kallsyms: Kallsyms;
  readonly btf: Btf;
  readonly orc: OrcTable;
  /** The parts of the image that all this was made from, in the order of {@link sourcesOf}. */
  readonly sources: readonly Buffer[];
}

/** The parts of an image that tables are made from: symbols, types, unwind tables. */
export function sourcesOf(layout: Layout, symbols: readonly Extent[]): readonly Extent[] {
  return [layout.btf, layout.orcIps, layout.orcEntries, ...symbols];
}

/** Reads a kernel's tables out of a copy of its image. @throws GuestError naming what did not verify. */
export function readTables(image: Buffer, base: bigint): KernelTables {
  const kallsyms = parseKallsyms(image, base);
  const layout = findLayout(createSymbolTable(kallsyms, base), base);
  // A copy of each: the image is ten times as large, and is not kept.
  const part = ({ offset, size }: Extent) => Buffer.from(image.subarray(offset, offset + size));
  const buildId = buildIdIn(part(layout.notes));
  if (buildId === null) {
    throw new GuestError('guest-kernel-unknown', 'The kernel has no build id in its notes.');
  }
  const [btf, ips, entries, ...symbols] = sourcesOf(layout, kallsyms.sources).map(part);
  if (btf === undefined || ips === undefined || entries === undefined) throw new RangeError('sources');
  verifyOrc(ips, entries);
  const orc = openOrc(ips, entries, layout.orcIps.offset);
  return { buildId, layout, kallsyms, btf: parseBtf(btf), orc, sources: [btf, ips, entries, ...symbols] };
}
