import { setTimeout as sleep } from 'node:timers/promises';
import { GuestError } from '../errors.ts';
import type { GuestKernel, Registers, Stack, Task } from '../kinds.ts';
import type { GuestMachine } from '../machine/index.ts';
import { threadSize } from '../objects/stacks.ts';
import {
  type Glance,
  type GlanceAt,
  glancer,
  isOver,
  judge,
  sleeperWhereabouts,
  type WatchedArea,
  type Whereabouts,
} from './threads.ts';

/** A thread that has not been seen outside of what is watched. */
export interface Straggler {
  readonly pid: number;
  readonly comm: string;
  /** The function that it is in, when that is known. */
  readonly inside: string | null;
  /** Why it is not known where it is; null when it is. */
  readonly unknown: string | null;
}

/**
 * Watches threads leave some code that nothing enters any more. Every thread has to be seen outside once:
 * it cannot come back, and threads that begin later begin outside. Threads off their CPUs are looked at while
 * the guest runs; what is left after that runs on a CPU, and is looked at in a short stop.
 */
export interface Watch {
  /** Looks at everyone who has not been seen outside; empty when there is nobody left. */
  look(): Promise<readonly Straggler[]>;
}

/** So many threads at most are looked at in one stop. */
const MAX_IN_STOP = 64;
const LIST_ATTEMPTS = 5;

export function watchAreas(machine: GuestMachine, kernel: GuestKernel, areas: readonly WatchedArea[]): Watch {
  const glance = glancer(kernel);
  let waiting: Map<bigint, Task> | null = null;
  // A thread that is ending is in no list any more while it still runs: the processors are looked at, too.
  let cpus: ReadonlySet<number> | null = null;
  return {
    async look() {
      const tasks = new Map(listTasks(kernel).map((task) => [task.address, task]));
      waiting = stillThere(waiting ?? tasks, tasks);
      const seen = new Map<bigint, Whereabouts>();
      for (const task of waiting.values()) {
        seen.set(task.address, isOver(task) ? OUTSIDE : sleeperWhereabouts(kernel, glance, task, areas));
      }
      forget(waiting, seen);
      const running = [...waiting.values()].filter(({ address }) => seen.get(address)?.kind === 'unknown');
      if (running.length > 0 || cpus === null || cpus.size > 0) {
        const found = await lookInStop(machine, kernel, glance, running.slice(0, MAX_IN_STOP), areas);
        for (const [address, where] of found.threads) seen.set(address, where);
        forget(waiting, seen);
        const before: ReadonlySet<number> = cpus ?? found.cpus;
        cpus = new Set([...found.cpus].filter((cpu) => before.has(cpu)));
      }
      return [
        ...[...waiting.values()].map((task) => straggler(task, seen.get(task.address))),
        ...(waiting.size > 0 ? [] : [...cpus].map(processor)),
      ];
    },
  };
}

const OUTSIDE: Whereabouts = { kind: 'outside' };

/** A list that changes under the reader may seem endless; the next attempt finds it whole. */
function listTasks(kernel: GuestKernel): Task[] {
  for (let attempt = 1; ; attempt++) {
    try {
      return kernel.tasks();
    } catch (error) {
      if (!(error instanceof GuestError) || attempt === LIST_ATTEMPTS) throw error;
    }
  }
}

/** Those of the waiting that still exist, as they are now. Whoever has ended is outside. */
function stillThere(waiting: ReadonlyMap<bigint, Task>, now: ReadonlyMap<bigint, Task>): Map<bigint, Task> {
  const left = new Map<bigint, Task>();
  for (const [address, { pid }] of waiting) {
    const task = now.get(address);
    if (task?.pid === pid) left.set(address, task);
  }
  return left;
}

function forget(waiting: Map<bigint, Task>, seen: ReadonlyMap<bigint, Whereabouts>): void {
  for (const [address, { kind }] of seen) if (kind === 'outside') waiting.delete(address);
}

async function lookInStop(
  machine: GuestMachine,
  kernel: GuestKernel,
  glance: GlanceAt,
  tasks: readonly Task[],
  areas: readonly WatchedArea[],
): Promise<StopLook> {
  const threads = new Map<bigint, Whereabouts>();
  let running: { readonly task: Task; readonly glance: Glance }[] = [];
  let frozen: { readonly registers: Registers; readonly walk: () => Stack }[] = [];
  await machine.stop({
    reads: [],
    decide({ registers }) {
      frozen = registers.map((each) => ({ registers: each, walk: kernel.freezeStack(each) }));
      running = [];
      for (const task of tasks) {
        const now = glance(task);
        if (now.onCpu) running.push({ task, glance: now });
        else threads.set(task.address, judge(kernel.sleepingStack(task), areas));
      }
      return [];
    },
  });
  await guestFirst();
  // The copies are walked while the guest runs.
  const cpus = frozen.map(({ registers, walk }) => ({ registers, stack: walk() }));
  for (const { task, glance: then } of running) {
    threads.set(task.address, runner(kernel, then, cpus[then.cpu], areas));
  }
  const inside = cpus.flatMap(({ stack }, cpu) => (judge(stack, areas).kind === 'outside' ? [] : [cpu]));
  return { threads, cpus: new Set(inside) };
}

/** After a stop the guest's processors get the host's before our own work goes on. */
export function guestFirst(): Promise<void> {
  return sleep(1);
}

interface StopLook {
  readonly threads: ReadonlyMap<bigint, Whereabouts>;
  /** Processors that may be in the code that is watched. */
  readonly cpus: ReadonlySet<number>;
}

/**
 * A thread that is on a CPU. In the middle of a switch two threads are on one CPU, and its registers are
 * those of one of them: they are only believed for the thread whose stack they are on.
 */
function runner(
  kernel: GuestKernel,
  { stack: base }: Glance,
  cpu: { readonly registers: Registers; readonly stack: Stack } | undefined,
  areas: readonly WatchedArea[],
): Whereabouts {
  if (cpu === undefined) return { kind: 'unknown', why: 'it is on a CPU that QEMU does not list' };
  const { registers, stack } = cpu;
  if ((registers.cs & 3) !== 0) return OUTSIDE;
  const end = base + BigInt(threadSize(kernel));
  const isOn = (address: bigint) => address >= base && address < end;
  const own = isOn(registers.rsp) || stack.frames.some(({ savedAt }) => savedAt !== null && isOn(savedAt));
  return own ? judge(stack, areas) : { kind: 'unknown', why: 'its CPU is switching threads' };
}

function processor(cpu: number): Straggler {
  return { pid: 0, comm: `CPU ${cpu}`, inside: null, unknown: 'it runs a thread that is ending' };
}

function straggler({ pid, comm }: Task, where: Whereabouts | undefined): Straggler {
  if (where?.kind === 'inside') return { pid, comm, inside: where.area.name, unknown: null };
  return { pid, comm, inside: null, unknown: where?.kind === 'unknown' ? where.why : 'it was not looked at' };
}
