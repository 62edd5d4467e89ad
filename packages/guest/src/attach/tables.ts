import { GuestError } from '../errors.ts';
import type { SymbolTable } from '../kinds.ts';
import { buildIdIn } from '../locate/notes.ts';
import { type Kallsyms, parseKallsyms } from '../symbols/kallsyms.ts';
import { createSymbolTable } from '../symbols/table.ts';
import { type Btf, parseBtf } from '../types/btf.ts';
import { type OrcFormat, orcFormat } from '../unwind/orc-format.ts';
import { createOrcTable, type OrcTable } from '../unwind/orc-table.ts';
import { type Extent, findLayout, type Layout } from './layout.ts';

/** What is known of a kernel from its image alone. */
export interface KernelTables {
  readonly buildId: string;
  readonly kallsyms: Kallsyms;
  readonly layout: Layout;
  readonly btf: Btf;
  readonly orc: { readonly table: OrcTable; readonly format: OrcFormat };
}

/** Reads a kernel's tables out of a copy of its image. @throws GuestError naming what did not verify. */
export function readTables(image: Buffer, base: bigint): KernelTables {
  const kallsyms = parseKallsyms(image, base);
  const symbols = createSymbolTable(kallsyms, base);
  const layout = findLayout(symbols, base);
  const part = ({ offset, size }: Extent) => Buffer.from(image.subarray(offset, offset + size));
  const buildId = buildIdIn(part(layout.notes));
  if (buildId === null)
    throw new GuestError('guest-kernel-unknown', 'The kernel has no build id in its notes.');
  const btf = parseBtf(part(layout.btf));
  const orc = openOrc({
    symbols,
    base,
    layout,
    btf,
    ips: part(layout.orcIps),
    entries: part(layout.orcEntries),
  });
  return { buildId, kallsyms, layout, btf, orc };
}

/** Functions of every kernel that begin as all do. */
const ORDINARY = ['schedule', 'vfs_read', 'vfs_write', 'kfree', 'do_exit'];

export function openOrc(of: {
  readonly symbols: SymbolTable;
  readonly base: bigint;
  readonly layout: Layout;
  readonly btf: Btf;
  readonly ips: Buffer;
  readonly entries: Buffer;
}): KernelTables['orc'] {
  const { symbols, base, layout } = of;
  const code = layout.code.map(({ offset, size }) => {
    const start = base + BigInt(offset);
    return { start, end: start + BigInt(size) };
  });
  const table = createOrcTable(of.ips, of.entries, base + BigInt(layout.orcIps.offset), code);
  const registers = ORDINARY.flatMap((name) => symbols.find(name)).flatMap(({ address }) => {
    const raw = table.rawAt(address);
    return raw?.stackOffset === 8 ? [raw.fields & 15] : [];
  });
  return { table, format: orcFormat(of.btf, registers) };
}
