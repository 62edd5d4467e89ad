import { GuestError } from '../errors.ts';
import type { AddressSpace, Task } from '../kinds.ts';
import { integerField } from '../types/fields.ts';
import { cpuCount, perCpuAddress } from './per-cpu.ts';
import { type KernelReader, listNodes, readPointer, textOf } from './reader.ts';

/** Above pid_max's largest value (4,194,304) nothing is a thread any more; no machine comes near. */
const MAX_TASKS = 200_000;
/** struct task_struct has some 10 KiB; a type that says more is not read. */
const MAX_TASK_BYTES = 65_536;

/**
 * Every thread of the guest: the init task's list of processes, the threads of each, and the idle threads of
 * all CPUs (CPU 0's is the init task). While the guest runs, what was read may be a moment old.
 *
 * @throws GuestError `guest-list` when a list does not end, `guest-tasks` when a thread is none.
 */
export function readTasks(reader: KernelReader): Task[] {
  const { space, symbols, types } = reader;
  const tasksOffset = BigInt(types.offsetOf('task_struct', 'tasks'));
  const nodeOffset = BigInt(types.offsetOf('task_struct', 'thread_node'));
  const headOffset = BigInt(types.offsetOf('signal_struct', 'thread_head'));
  const signalOffset = BigInt(types.offsetOf('task_struct', 'signal'));
  const init = symbols.one('init_task').address;
  const fields = taskFields(reader);
  const found = new Map<bigint, Task>();
  const add = (address: bigint) => {
    if (found.size >= MAX_TASKS)
      throw new GuestError('guest-tasks', `The guest lists more than ${MAX_TASKS} threads.`);
    if (!found.has(address)) found.set(address, readTask(space, fields, address));
  };
  add(init);
  for (const cpu of Array(cpuCount(reader)).keys()) {
    const idle = idleTask(reader, cpu);
    if (idle !== null) add(idle);
  }
  // One budget for all lists: many processes that share a long list of threads are a lie, too.
  let left = MAX_TASKS;
  for (const node of listNodes(space, init + tasksOffset, 'processes', left)) {
    const leader = node - tasksOffset;
    add(leader);
    const threads = readPointer(space, leader + signalOffset) + headOffset;
    for (const thread of listNodes(space, threads, `threads of process ${found.get(leader)?.pid}`, left)) {
      left--;
      add(thread - nodeOffset);
    }
  }
  return [...found.values()];
}

/** The idle thread of a CPU; null while the CPU has never been there. */
function idleTask(reader: KernelReader, cpu: number): bigint | null {
  const queue = perCpuAddress(reader, reader.symbols.one('runqueues').address, cpu);
  const idle = readPointer(reader.space, queue + BigInt(reader.types.offsetOf('rq', 'idle')));
  return idle === 0n ? null : idle;
}

/** The members of task_struct that a thread is described by. */
function taskFields({ btf, types }: KernelReader) {
  const field = (path: string) => integerField(btf, 'task_struct', path);
  const size = types.sizeOf('task_struct');
  if (size > MAX_TASK_BYTES)
    throw new GuestError('guest-tasks', `The guest's threads have ${size} bytes each.`);
  return {
    size,
    comm: types.offsetOf('task_struct', 'comm'),
    pid: field('pid'),
    tgid: field('tgid'),
    state: field('__state'),
    exitState: field('exit_state'),
    // An int up to 6.17, a byte in 7.2.
    onCpu: field('on_cpu'),
    cpu: field('thread_info.cpu'),
  };
}

function readTask(space: AddressSpace, fields: ReturnType<typeof taskFields>, address: bigint): Task {
  const bytes = space.read(address, fields.size);
  const [pid, tgid] = [fields.pid(bytes), fields.tgid(bytes)];
  if (pid < 0 || tgid < 0)
    throw new GuestError('guest-tasks', `The guest has a thread with the number ${pid}.`);
  return {
    pid,
    tgid,
    address,
    comm: textOf(bytes.subarray(fields.comm, fields.comm + COMM_BYTES)),
    state: stateName(fields.state(bytes), fields.exitState(bytes)),
    onCpu: fields.onCpu(bytes) !== 0 ? fields.cpu(bytes) : null,
  };
}

/** TASK_COMM_LEN. */
const COMM_BYTES = 16;

/** Letters of ps(1) spelled out; bits of task_struct.__state (include/linux/sched.h of 6.12). */
function stateName(state: number, exitState: number): string {
  if ((exitState & 0x20) !== 0) return 'zombie';
  if ((exitState & 0x10) !== 0) return 'dead';
  if (state === 0) return 'running';
  if ((state & 1) !== 0) return 'sleeping';
  if ((state & 2) !== 0) return (state & 0x400) !== 0 ? 'idle' : 'disk sleep';
  if ((state & 4) !== 0) return 'stopped';
  if ((state & 8) !== 0) return 'traced';
  if ((state & 0x40) !== 0) return 'parked';
  if ((state & 0x80) !== 0) return 'dead';
  return 'waking or new';
}
