import {
  DESCRIPTOR,
  INFO,
  MODULE,
  MODULE_AREA,
  QUEUE,
  RING,
  SIGNAL,
  STACK_BYTES,
  SWITCH_FRAME,
  TASK,
} from './test-types.ts';

/** Addresses of what a test kernel keeps in its memory. */
export interface TestObjects {
  /** `init` (pid 1) and the kernel's `worker` (pid 2), which sleep. */
  readonly threads: { readonly init: bigint; readonly worker: bigint };
  readonly module: bigint;
  /** The printk ring buffer. */
  readonly ring: {
    readonly at: bigint;
    readonly descriptors: bigint;
    readonly infos: bigint;
    readonly data: bigint;
  };
}

interface Room {
  readonly cpus: number;
  address(symbol: string): bigint;
  at(virtual: bigint): Buffer;
  allocate(size: number): bigint;
}

const STACK_MAGIC = 0x57ac6e9dn;

export function writeObjects(room: Room): TestObjects {
  const init = room.allocate(4096);
  const worker = room.allocate(4096);
  const idle = room.address('init_task');
  writeTask(room, idle, { pid: 0, comm: 'swapper/0', stack: room.address('init_stack') });
  writeTask(room, init, { pid: 1, comm: 'init', stack: room.allocate(STACK_BYTES) });
  writeTask(room, worker, { pid: 2, comm: 'worker', stack: room.allocate(STACK_BYTES) });
  linkAll(
    room,
    [idle, init, worker].map((task) => task + BigInt(TASK.tasks)),
  );
  room.at(idle).writeUInt8(1, TASK.onCpu);
  writeUserStack(room, init);
  writeKernelStack(room, worker);
  for (let cpu = 0; cpu < room.cpus; cpu++) {
    const area = room.allocate(4096);
    const variable = room.address('runqueues');
    room.at(room.address('__per_cpu_offset')).writeBigUInt64LE(BigInt.asUintN(64, area - variable), 8 * cpu);
    room.at(area).writeUInt32LE(cpu + 1, QUEUE.running);
    // The second CPU has never been there.
    room.at(area).writeBigUInt64LE(cpu === 0 ? idle : 0n, QUEUE.idle);
  }
  return { threads: { init, worker }, module: writeModule(room), ring: writeRing(room) };
}

function writeTask(room: Room, at: bigint, task: { pid: number; comm: string; stack: bigint }): void {
  const bytes = room.at(at);
  const signal = room.allocate(4096);
  bytes.writeInt32LE(task.pid, TASK.pid);
  bytes.writeInt32LE(task.pid, TASK.tgid);
  bytes.writeUInt32LE(task.pid === 0 ? 0 : 1, TASK.state);
  bytes.write(`${task.comm}\0`, TASK.comm, 'latin1');
  bytes.writeBigUInt64LE(task.stack, TASK.stack);
  bytes.writeBigUInt64LE(0x1122_3344_5566_7700n, TASK.canary);
  bytes.writeUInt32LE(0x10000, TASK.flags);
  bytes.writeUInt32LE(0b1_1111_1000, TASK.flags + 4);
  bytes.writeBigUInt64LE(room.address('init_task'), TASK.parent);
  bytes.writeBigUInt64LE(signal, TASK.signal);
  linkAll(room, [signal + BigInt(SIGNAL.threads), at + BigInt(TASK.threadNode)]);
  room.at(task.stack).writeBigUInt64LE(STACK_MAGIC, 0);
}

/** Makes a ring of list heads. */
function linkAll(room: Room, nodes: readonly bigint[]): void {
  nodes.forEach((node, index) => {
    const next = nodes[(index + 1) % nodes.length] ?? node;
    room.at(node).writeBigUInt64LE(next, 0);
    room.at(next).writeBigUInt64LE(node, 8);
  });
}

/** schedule <- vfs_read <- entry_SYSCALL_64, which has saved the registers of user mode. */
function writeUserStack(room: Room, task: bigint): void {
  const top = stackTop(room, task);
  const regs = top - 168n;
  room.at(regs + 128n).writeBigUInt64LE(0x40_1000n);
  room.at(regs + 136n).writeBigUInt64LE(0x33n);
  room.at(regs + 152n).writeBigUInt64LE(0x7fff_0000_1000n);
  const frames = [within(room, 'vfs_read'), within(room, 'entry_SYSCALL_64')];
  writeSwitched(room, task, regs - BigInt(16 * frames.length), frames, within(room, 'schedule'));
}

/** schedule <- worker <- kthread <- ret_from_fork_asm, where threads begin. */
function writeKernelStack(room: Room, task: bigint): void {
  const frames = ['worker', 'kthread', 'ret_from_fork_asm'].map((name) => within(room, name));
  writeSwitched(
    room,
    task,
    stackTop(room, task) - BigInt(16 * frames.length),
    frames,
    within(room, 'schedule'),
  );
}

function stackTop(room: Room, task: bigint): bigint {
  return room.at(task).readBigUInt64LE(TASK.stack) + BigInt(STACK_BYTES);
}

/** Behind the first 16 bytes of a function: where its frame is set up. */
function within(room: Room, name: string): bigint {
  return room.address(name) + 0x20n;
}

/** Frames of a saved RBP and a return address each, and below them what switching away leaves. */
function writeSwitched(room: Room, task: bigint, from: bigint, returns: readonly bigint[], ip: bigint): void {
  returns.forEach((address, index) => {
    room.at(from).writeBigUInt64LE(BigInt(index), 16 * index);
    room.at(from).writeBigUInt64LE(address, 16 * index + 8);
  });
  const sp = from - BigInt(SWITCH_FRAME.size);
  room.at(sp).writeBigUInt64LE(ip, SWITCH_FRAME.returnAddress);
  room.at(task).writeBigUInt64LE(sp, TASK.sp);
}

/** Module `sample`: a page of code with one function of 64 bytes, and a page with everything else. */
function writeModule(room: Room): bigint {
  const [code, data] = [MODULE_AREA, MODULE_AREA + 4096n];
  const bytes = room.at(data);
  bytes.write('sample\0', MODULE.name, 'latin1');
  linkAll(room, [room.address('modules'), data + BigInt(MODULE.list)]);
  bytes.writeBigUInt64LE(code, MODULE.parts);
  bytes.writeUInt32LE(4096, MODULE.parts + 8);
  bytes.writeBigUInt64LE(data, MODULE.parts + 16);
  bytes.writeUInt32LE(4096, MODULE.parts + 24);
  const [kallsyms, entries, names, letters, ips, orc] = [512, 1024, 1280, 1408, 1536, 1600].map(
    (at) => data + BigInt(at),
  );
  if (!kallsyms || !entries || !names || !letters || !ips || !orc) throw new RangeError('places');
  bytes.writeBigUInt64LE(kallsyms, MODULE.kallsyms);
  room.at(kallsyms).writeBigUInt64LE(entries, 0);
  room.at(kallsyms).writeUInt32LE(2, 8);
  room.at(kallsyms).writeBigUInt64LE(names, 16);
  room.at(kallsyms).writeBigUInt64LE(letters, 24);
  const symbol = room.at(entries + 24n);
  symbol.writeUInt32LE(1, 0);
  symbol.writeUInt16LE(1, 6);
  symbol.writeBigUInt64LE(code, 8);
  symbol.writeBigUInt64LE(64n, 16);
  room.at(names).write('\0sample_work\0', 'latin1');
  room.at(letters).write('?t', 'latin1');
  bytes.writeUInt32LE(1, MODULE.orcCount);
  bytes.writeBigUInt64LE(ips, MODULE.orcCount + 8);
  bytes.writeBigUInt64LE(orc, MODULE.orcCount + 16);
  room.at(ips).writeInt32LE(Number(code - ips));
  room.at(orc).writeInt16LE(16, 0);
  room.at(orc).writeInt16LE(-16, 2);
  room.at(orc).writeUInt16LE((2 << 8) | (1 << 4) | 5, 4);
  return data;
}

const COUNT_BITS = 3;
const SIZE_BITS = 8;
/** Ids and positions begin just below where they wrap around for the first time, as real ones do. */
const FIRST_ID = 2n ** 62n - 2n ** BigInt(COUNT_BITS);

/** Three messages, the third wrapped around the end of the text. */
function writeRing(room: Room): TestObjects['ring'] {
  const [at, descriptors, infos, data] = [
    room.allocate(4096),
    room.allocate(4096),
    room.allocate(4096),
    room.allocate(4096),
  ];
  const ring = room.at(at);
  room.at(room.address('prb')).writeBigUInt64LE(at);
  ring.writeUInt32LE(COUNT_BITS, RING.countBits);
  ring.writeBigUInt64LE(descriptors, RING.descriptors);
  ring.writeBigUInt64LE(infos, RING.infos);
  ring.writeBigUInt64LE(FIRST_ID + 2n, RING.head);
  ring.writeBigUInt64LE(FIRST_ID, RING.tail);
  ring.writeUInt32LE(SIZE_BITS, RING.sizeBits);
  ring.writeBigUInt64LE(data, RING.data);
  const messages = [
    { text: 'Booted', begin: 104, at: 104, next: 120 },
    { text: 'one\ntwo\u001b[31m', begin: 40, at: 40, next: 64 },
    { text: 'behind the end', begin: 240, at: 0, next: 256 + 24 },
  ];
  messages.forEach(({ text, begin, at: place, next }, index) => {
    const id = FIRST_ID + BigInt(index);
    const slot = Number(BigInt.asUintN(COUNT_BITS, id));
    const descriptor = room.at(descriptors + BigInt(slot * DESCRIPTOR.size));
    descriptor.writeBigUInt64LE((2n << 62n) | id, DESCRIPTOR.state);
    descriptor.writeBigUInt64LE(BigInt(begin), DESCRIPTOR.begin);
    descriptor.writeBigUInt64LE(BigInt(next), DESCRIPTOR.next);
    const info = room.at(infos + BigInt(slot * INFO.size));
    info.writeBigUInt64LE(BigInt(index), INFO.sequence);
    info.writeBigUInt64LE(BigInt(index) * 1_500_000_000n, INFO.time);
    info.writeUInt16LE(text.length, INFO.length);
    info.writeUInt8((6 << 5) | 2, INFO.flags);
    const from = room.at(data + BigInt(place));
    from.writeBigUInt64LE(id, 0);
    from.write(text, 8, 'latin1');
  });
  return { at, descriptors, infos, data };
}
