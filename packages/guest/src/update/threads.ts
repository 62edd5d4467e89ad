import type { Area } from '../journal/index.ts';
import type { GuestKernel, Stack, Task } from '../kinds.ts';

/** Code that is watched, and what people call it. */
export interface WatchedArea extends Area {
  readonly name: string;
}

/** What a look at a thread has shown. `unknown` must be taken as `inside`. */
export type Whereabouts =
  | { readonly kind: 'outside' }
  | { readonly kind: 'inside'; readonly area: WatchedArea }
  | { readonly kind: 'unknown'; readonly why: string };

/** Says of a stack whether any of its frames lies in one of the areas. */
export function judge(stack: Stack, areas: readonly WatchedArea[]): Whereabouts {
  for (const { address } of stack.frames) {
    // The end belongs to it: a call that never returns may be a function's last instruction.
    const area = areas.find(
      (each) => address >= each.address && address <= each.address + BigInt(each.length),
    );
    if (area !== undefined) return { kind: 'inside', area };
  }
  if (stack.complete) return { kind: 'outside' };
  return { kind: 'unknown', why: stack.reason ?? 'its stack is not understood' };
}

/** A thread's scheduling state, by which a reader knows whether it has run in between. */
export interface Glance {
  readonly onCpu: boolean;
  readonly cpu: number;
  /** Changes whenever the thread goes off its CPU. */
  readonly switches: bigint;
  readonly stack: bigint;
}

export type GlanceAt = (task: Task) => Glance;

/** Prepares the reading of {@link Glance}s: a few microseconds each. */
export function glancer({ space, types }: GuestKernel): GlanceAt {
  const at = (path: string) => types.offsetOf('task_struct', path);
  const places = {
    onCpu: at('on_cpu'),
    cpu: at('thread_info.cpu'),
    voluntary: at('nvcsw'),
    involuntary: at('nivcsw'),
    stack: at('stack'),
  };
  const from = Math.min(...Object.values(places));
  const length = Math.max(...Object.values(places)) + 8 - from;
  return ({ address }) => {
    // One read, in ascending order: `on_cpu` is seen before the counts, which the kernel changes before it.
    const bytes = space.read(address + BigInt(from), length);
    const word = (at: number) => bytes.readBigUInt64LE(at - from);
    return {
      // An int up to 6.17, a byte in 7.2; 0 or 1 in both.
      onCpu: bytes[places.onCpu - from] !== 0,
      cpu: bytes.readUInt32LE(places.cpu - from),
      switches: word(places.voluntary) + word(places.involuntary),
      stack: word(places.stack),
    };
  };
}

/** A thread that will never run again. */
export function isOver(task: Task): boolean {
  return task.state === 'dead' || task.state === 'zombie';
}

/**
 * Where a thread that is off its CPU stands, while the guest runs: its stack is only believed when the
 * thread has been off its CPU before and after it was read, and has not run in between.
 */
export function sleeperWhereabouts(
  kernel: GuestKernel,
  glance: GlanceAt,
  task: Task,
  areas: readonly WatchedArea[],
): Whereabouts {
  const before = glance(task);
  if (before.onCpu) return { kind: 'unknown', why: 'it is running' };
  const stack = kernel.sleepingStack(task);
  const after = glance(task);
  if (after.onCpu || after.switches !== before.switches) return { kind: 'unknown', why: 'it is running' };
  return judge(stack, areas);
}
