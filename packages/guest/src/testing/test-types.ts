import { KIND } from '../types/btf.ts';
import { BtfWriter, type WrittenMember } from './btf-writer.ts';

/** Sizes and places of the test kernel's structures, in bytes. */
export const TASK = {
  size: 512,
  cpu: 12,
  state: 16,
  exitState: 20,
  stack: 24,
  onCpu: 32,
  tasks: 40,
  pid: 56,
  tgid: 60,
  signal: 64,
  threadNode: 72,
  comm: 88,
  sp: 104,
  canary: 112,
  flags: 120,
  parent: 128,
} as const;
export const SIGNAL = { size: 64, threads: 16 } as const;
export const QUEUE = { size: 64, running: 0, idle: 8 } as const;
export const MODULE = {
  size: 256,
  state: 0,
  list: 8,
  name: 24,
  parts: 80,
  kallsyms: 160,
  orcCount: 168,
} as const;
/** Where the test kernel's modules lie. */
export const MODULE_AREA = 0xffff_ffff_c000_0000n;
export const STACK_BYTES = 16_384;
export const RING = {
  size: 96,
  countBits: 0,
  descriptors: 8,
  infos: 16,
  head: 24,
  tail: 32,
  sizeBits: 48,
  data: 56,
} as const;
export const DESCRIPTOR = { size: 24, state: 0, begin: 8, next: 16 } as const;
export const INFO = {
  size: 32,
  sequence: 0,
  time: 8,
  length: 16,
  facility: 18,
  flags: 19,
  caller: 20,
} as const;
/** Words of the frame that a thread which was switched away leaves: r15 r14 r13 r12 bx bp return address. */
export const SWITCH_FRAME = { size: 56, bp: 40, returnAddress: 48 } as const;

/** Type information of the test kernel: the structures that Exuvia reads, with fewer members than real ones. */
export function testTypes(options: { readonly orcEnd?: boolean } = {}): Buffer {
  const btf = new BtfWriter();
  const long = btf.int('long unsigned int', 8);
  const int = btf.int('int', 4, { signed: true });
  const unsigned = btf.int('unsigned int', 4);
  const short = btf.int('short int', 2, { signed: true });
  const half = btf.int('short unsigned int', 2);
  const byte = btf.int('unsigned char', 1);
  const character = btf.int('char', 1, { signed: true });
  const bool = btf.int('_Bool', 1, { bool: true });
  const voidPointer = btf.pointer(0);
  const text = btf.pointer(character);
  const list = btf.struct('list_head', 16, [
    { name: 'next', type: btf.next + 1, at: 0 },
    { name: 'prev', type: btf.next + 1, at: 8 },
  ]);
  btf.pointer(list);
  const comm = btf.array(character, 16);
  const moduleName = btf.array(character, 56);
  const thread = btf.struct('thread_struct', 8, [{ name: 'sp', type: long, at: 0 }]);
  const threadInfo = btf.struct('thread_info', 16, [{ name: 'cpu', type: unsigned, at: 12 }]);
  const signal = btf.struct('signal_struct', SIGNAL.size, [
    { name: 'thread_head', type: list, at: SIGNAL.threads },
  ]);
  const signalPointer = btf.pointer(signal);
  const inner = btf.struct('', 8, [
    { name: 'flags', type: unsigned, at: 0 },
    { name: 'in_iowait', type: unsigned, at: 4, bits: 1, firstBit: 32 + 3 },
    { name: 'prio', type: int, at: 4, bits: 5, firstBit: 32 + 4 },
  ]);
  const task = btf.next;
  btf.struct('task_struct', TASK.size, [
    { name: 'thread_info', type: threadInfo, at: 0 },
    { name: '__state', type: unsigned, at: TASK.state },
    { name: 'exit_state', type: int, at: TASK.exitState },
    { name: 'stack', type: voidPointer, at: TASK.stack },
    { name: 'on_cpu', type: byte, at: TASK.onCpu },
    { name: 'tasks', type: list, at: TASK.tasks },
    { name: 'pid', type: int, at: TASK.pid },
    { name: 'tgid', type: int, at: TASK.tgid },
    { name: 'signal', type: signalPointer, at: TASK.signal },
    { name: 'thread_node', type: list, at: TASK.threadNode },
    { name: 'comm', type: comm, at: TASK.comm },
    { name: 'thread', type: thread, at: TASK.sp },
    { name: 'stack_canary', type: long, at: TASK.canary },
    { name: '', type: inner, at: TASK.flags },
    { name: 'parent', type: task + 1, at: TASK.parent },
  ]);
  btf.pointer(task);
  const queue = btf.struct('rq', QUEUE.size, [
    { name: 'nr_running', type: unsigned, at: QUEUE.running },
    { name: 'idle', type: task + 1, at: QUEUE.idle },
  ]);
  btf.variable('runqueues', queue);
  btf.struct('inactive_task_frame', SWITCH_FRAME.size, [
    { name: 'bp', type: long, at: SWITCH_FRAME.bp },
    { name: 'ret_addr', type: long, at: SWITCH_FRAME.returnAddress },
  ]);
  const orc: WrittenMember[] = [
    { name: 'sp_offset', type: short, at: 0 },
    { name: 'bp_offset', type: short, at: 2 },
    { name: 'sp_reg', type: unsigned, at: 4, bits: 4, firstBit: 32 },
    { name: 'bp_reg', type: unsigned, at: 4, bits: 4, firstBit: 36 },
    { name: 'type', type: unsigned, at: 5, bits: 3, firstBit: 40 },
    { name: options.orcEnd ? 'end' : 'signal', type: unsigned, at: 5, bits: 1, firstBit: 43 },
  ];
  btf.struct('orc_entry', 6, orc);
  const moduleState = btf.enum('module_state', { MODULE_STATE_LIVE: 0, MODULE_STATE_COMING: 1 });
  const part = btf.struct('module_memory', 16, [
    { name: 'base', type: voidPointer, at: 0 },
    { name: 'size', type: unsigned, at: 8 },
  ]);
  const parts = btf.array(part, 5);
  const symbols = btf.struct('mod_kallsyms', 32, [
    { name: 'symtab', type: voidPointer, at: 0 },
    { name: 'num_symtab', type: unsigned, at: 8 },
    { name: 'strtab', type: text, at: 16 },
    { name: 'typetab', type: text, at: 24 },
  ]);
  const symbolsPointer = btf.pointer(symbols);
  const arch = btf.struct('mod_arch_specific', 24, [
    { name: 'num_orcs', type: unsigned, at: 0 },
    { name: 'orc_unwind_ip', type: voidPointer, at: 8 },
    { name: 'orc_unwind', type: voidPointer, at: 16 },
  ]);
  btf.struct('module', MODULE.size, [
    { name: 'state', type: moduleState, at: MODULE.state },
    { name: 'list', type: list, at: MODULE.list },
    { name: 'name', type: moduleName, at: MODULE.name },
    { name: 'mem', type: parts, at: MODULE.parts },
    { name: 'kallsyms', type: symbolsPointer, at: MODULE.kallsyms },
    { name: 'arch', type: arch, at: MODULE.orcCount },
  ]);
  const position = btf.struct('prb_data_blk_lpos', 16, [
    { name: 'begin', type: long, at: 0 },
    { name: 'next', type: long, at: 8 },
  ]);
  btf.struct('prb_desc', DESCRIPTOR.size, [
    { name: 'state_var', type: long, at: DESCRIPTOR.state },
    { name: 'text_blk_lpos', type: position, at: DESCRIPTOR.begin },
  ]);
  btf.struct('printk_info', INFO.size, [
    { name: 'seq', type: long, at: INFO.sequence },
    { name: 'ts_nsec', type: long, at: INFO.time },
    { name: 'text_len', type: half, at: INFO.length },
    { name: 'facility', type: byte, at: INFO.facility },
    { name: 'flags', type: byte, at: INFO.flags, bits: 5, firstBit: INFO.flags * 8 },
    { name: 'level', type: byte, at: INFO.flags, bits: 3, firstBit: INFO.flags * 8 + 5 },
  ]);
  const descriptors = btf.struct('prb_desc_ring', 40, [
    { name: 'count_bits', type: unsigned, at: RING.countBits },
    { name: 'descs', type: voidPointer, at: RING.descriptors },
    { name: 'infos', type: voidPointer, at: RING.infos },
    { name: 'head_id', type: long, at: RING.head },
    { name: 'tail_id', type: long, at: RING.tail },
  ]);
  const data = btf.struct('prb_data_ring', 16, [
    { name: 'size_bits', type: unsigned, at: 0 },
    { name: 'data', type: text, at: 8 },
  ]);
  btf.struct('printk_ringbuffer', RING.size, [
    { name: 'desc_ring', type: descriptors, at: 0 },
    { name: 'text_data_ring', type: data, at: RING.sizeBits },
  ]);
  btf.enum('system_states', { SYSTEM_BOOTING: 0, SYSTEM_RUNNING: 3 });
  const longs = btf.array(long, 3);
  btf.struct('mixture', 64, [
    { name: 'truth', type: bool, at: 0 },
    { name: 'longs', type: longs, at: 8 },
    { name: 'label', type: text, at: 32 },
  ]);
  btf.alias(KIND.typedef, 'u64', btf.alias(KIND.const, '', long));
  return btf.end();
}
