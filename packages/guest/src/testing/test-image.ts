import { type KallsymsLayout, type WrittenSymbol, writeKallsyms } from './kallsyms-writer.ts';
import { QUEUE, STACK_BYTES, TASK, testTypes } from './test-types.ts';

/** A kernel's image and where its parts are, as offsets from its start. */
export interface TestImage {
  readonly bytes: Buffer;
  /** The first symbol of each name. */
  readonly places: ReadonlyMap<string, number>;
  readonly orcRows: number;
}

export interface TestImageOptions {
  readonly layout: KallsymsLayout;
  readonly base: bigint;
  readonly physicalBase: number;
  readonly cpus: number;
  readonly buildId: string;
}

export const IMAGE_BYTES = 0x80_000;
const FUNCTION_BYTES = 0x40;

interface OrcRow {
  readonly sp: number;
  readonly bp: number;
  readonly fields: number;
}

/** ORC of 6.4 to 7.0: RSP is 5, the previous RSP 1; kinds: end 1, call 2, regs 3. */
const CALL: OrcRow = { sp: 8, bp: 0, fields: (2 << 8) | 5 };
const SAVES_BP: OrcRow = { sp: 16, bp: -16, fields: (2 << 8) | (1 << 4) | 5 };
const REGS: OrcRow = { sp: 0, bp: 0, fields: (1 << 11) | (3 << 8) | 5 };
const END: OrcRow = { sp: 0, bp: 0, fields: 1 << 8 };
const UNDEFINED: OrcRow = { sp: 0, bp: 0, fields: 0 };

/** Functions in the order of their addresses, and how each is unwound behind its first 16 bytes. */
const FUNCTIONS: readonly (readonly [string, OrcRow])[] = [
  ['asm_exc_divide_error', REGS],
  ['do_exit', SAVES_BP],
  ['do_idle', END],
  ['entry_SYSCALL_64', REGS],
  ['kfree', SAVES_BP],
  ['kthread', SAVES_BP],
  ['return_to_handler', UNDEFINED],
  ['ret_from_fork_asm', END],
  ['same_name', CALL],
  ['same_name', CALL],
  ['schedule', SAVES_BP],
  ['vfs_read', SAVES_BP],
  ['vfs_write', SAVES_BP],
  ['worker', SAVES_BP],
];
const FILLERS = 300;

export function testImage({ layout, base, physicalBase, cpus, buildId }: TestImageOptions): TestImage {
  const bytes = Buffer.alloc(IMAGE_BYTES);
  const symbols: WrittenSymbol[] = [];
  const places = new Map<string, number>();
  const define = (name: string, type: string, value: number) => {
    if (!places.has(name)) places.set(name, value);
    symbols.push({ name, type, value });
  };
  const hasAbsolute = layout === '6.1' || layout === '6.12';
  if (hasAbsolute) symbols.push({ name: 'fixed_percpu_data', type: 'A', value: 0, absolute: true });
  define('_text', 'T', 0);
  define('_stext', 'T', 0);
  FUNCTIONS.forEach(([name], index) => {
    define(name, 't', (index + 1) * FUNCTION_BYTES);
  });
  for (let index = 0; index < FILLERS; index++) {
    define(
      index % 2 === 0 ? `dev_operation_${index}` : `vfs_task__operation_${index}`,
      't',
      0x1000 + 16 * index,
    );
  }
  define('_etext', 'T', 0x3000);
  bytes.fill(0xcc, 0, 0x3000);

  let at = 0x4000;
  const variable = (name: string, size: number, alignment = 16) => {
    at = Math.ceil(at / alignment) * alignment;
    define(name, 'D', at);
    const start = at;
    at += size;
    return bytes.subarray(start, at);
  };
  variable('init_stack', STACK_BYTES, STACK_BYTES);
  variable('init_task', TASK.size);
  variable('init_top_pgt', 4096, 4096);
  variable('__per_cpu_offset', 8 * cpus);
  variable('modules', 16);
  variable('nr_cpu_ids', 4).writeUInt32LE(cpus);
  variable('phys_base', 8).writeBigInt64LE(BigInt(physicalBase) - (base - 0xffff_ffff_8000_0000n));
  variable('prb', 8);
  variable('runqueues', QUEUE.size);
  variable('system_state', 4).writeUInt32LE(3);
  variable('tainted_mask', 8).writeBigUInt64LE(0x1000n);
  variable('mixture_of_types', 64);
  variable('linux_banner', 96).write(BANNER, 'latin1');
  const note = variable('__start_notes', 16 + buildId.length / 2);
  define('__stop_notes', 'D', at);
  [4, buildId.length / 2, 3].forEach((word, index) => {
    note.writeUInt32LE(word, 4 * index);
  });
  note.write('GNU\0', 12, 'latin1');
  note.write(buildId, 16, 'hex');
  const types = testTypes();
  types.copy(variable('__start_BTF', types.length));
  define('__stop_BTF', 'D', at);

  const rows = orcRows();
  const ips = variable('__start_orc_unwind_ip', 4 * rows.length);
  define('__stop_orc_unwind_ip', 'D', at);
  const ipsAt = at - 4 * rows.length;
  const entries = variable('__start_orc_unwind', 6 * rows.length);
  define('__stop_orc_unwind', 'D', at);
  rows.forEach(([place, row], index) => {
    ips.writeInt32LE(place - (ipsAt + 4 * index), 4 * index);
    entries.writeInt16LE(row.sp, 6 * index);
    entries.writeInt16LE(row.bp, 6 * index + 2);
    entries.writeUInt16LE(row.fields, 6 * index + 4);
  });
  define('_sinittext', 'T', 0x70_000);
  define('_einittext', 'T', 0x71_000);
  define('_end', 'B', 0x72_000);
  writeKallsyms(symbols, layout, KALLSYMS_AT, base).copy(bytes, KALLSYMS_AT);
  return { bytes, places, orcRows: rows.length };
}

const KALLSYMS_AT = 0x40_000;
const BANNER = 'Linux version 6.12.999-test (builder@example.org) (gcc 14) #1 SMP Test\n\0';

/** Every function begins with its return address at RSP, as all real ones do. */
function orcRows(): [place: number, row: OrcRow][] {
  const rows = FUNCTIONS.flatMap(([, row], index): [number, OrcRow][] => [
    [(index + 1) * FUNCTION_BYTES, CALL],
    [(index + 1) * FUNCTION_BYTES + 16, row],
  ]);
  return [[0, UNDEFINED], ...rows, [(FUNCTIONS.length + 1) * FUNCTION_BYTES, UNDEFINED]];
}
