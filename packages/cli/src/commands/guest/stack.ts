import { ExuviaError } from '@exuvia/contract';
import {
  type GuestKernel,
  hex,
  lookAtPatches,
  openMachine,
  type Stack,
  type Task,
  understandKernel,
} from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../exit.ts';
import type { Io } from '../../io.ts';
import { show } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { numberOf } from './symbols.ts';
import { type PatchedGuestOptions, stateOf, type Target, targetOf, withGuest } from './target.ts';

type Options = PatchedGuestOptions & { readonly cpu?: string; readonly all?: boolean };

/** A stack as it is shown: of a thread that sleeps, or of a CPU. */
interface Shown {
  readonly thread: { readonly pid: number; readonly comm: string; readonly state: string } | null;
  readonly cpu: number | null;
  /** False: the walk ended in something that it did not understand. */
  readonly complete: boolean;
  readonly reason: string | null;
  readonly frames: readonly { readonly address: string; readonly symbol: string; readonly object: string }[];
}

/** The kernel stacks of threads and CPUs. */
export async function stack(invocation: Invocation<Options>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const target = await targetOf(invocation, '[PID]');
  const [pid] = target.rest;
  const ways = [pid, options.cpu, options.all].filter((way) => way !== undefined);
  if (ways.length !== 1) throw new ExuviaError('usage', 'Give one of PID, --cpu NUMBER and --all.');
  const stacks =
    pid === undefined
      ? await stoppedStacks(target, options)
      : [await sleepingStack(target, options, numberOf('PID', pid))];
  show(io, options, options.all === true ? stacks : stacks[0], () =>
    stacks.map((each) => render(each, io)).join('\n'),
  );
  return EXIT.ok;
}

function sleepingStack(target: Target, options: Options, pid: number): Promise<Shown> {
  return withGuest(target, async (guest) => {
    await lookAtPatches(guest, target.qmp, stateOf(target, options));
    const task = guest.tasks().find((candidate) => candidate.pid === pid && candidate.onCpu === null);
    if (task !== undefined) return shownThread(task, guest.sleepingStack(task), guest.locator());
    const running = guest.tasks().find((candidate) => candidate.pid === pid);
    if (running === undefined) throw new ExuviaError('guest-no-task', `The guest has no thread ${pid}.`);
    throw new ExuviaError(
      'guest-task-runs',
      `Thread ${pid} (${running.comm}) runs on CPU ${running.onCpu} now.`,
      {
        hint: `exuvia guest stack --cpu ${running.onCpu} shows what that CPU does.`,
      },
    );
  });
}

/** Stops the VM for as long as the stacks are walked. */
async function stoppedStacks(target: Target, options: Options): Promise<Shown[]> {
  const machine = await openMachine(target.qmp);
  try {
    const kernel = await understandKernel(machine.physical, await machine.systemRegisters());
    await lookAtPatches(kernel, target.qmp, stateOf(target, options));
    const { result } = await machine.whileStopped(async ({ registers }) => {
      const running = registers.map((each, cpu) => ({ cpu, stack: kernel.runningStack(each) }));
      const tasks = options.all === true ? kernel.tasks().filter(({ onCpu }) => onCpu === null) : [];
      return { running, sleeping: tasks.map((task) => ({ task, stack: kernel.sleepingStack(task) })) };
    });
    const locate = kernel.locator();
    const cpus = result.running.map(({ cpu, stack }) => shownCpu(cpu, stack, locate));
    if (options.cpu === undefined) {
      return [...cpus, ...result.sleeping.map(({ task, stack }) => shownThread(task, stack, locate))];
    }
    const one = cpus[numberOf('--cpu', options.cpu)];
    if (one === undefined)
      throw new ExuviaError('usage', `The guest has no CPU ${options.cpu}: it has ${cpus.length}, from 0.`);
    return [one];
  } finally {
    await machine.close();
  }
}

type Locator = ReturnType<GuestKernel['locator']>;

function shownThread({ pid, comm, state }: Task, stack: Stack, locate: Locator): Shown {
  return { thread: { pid, comm, state }, cpu: null, ...shownStack(stack, locate) };
}

function shownCpu(cpu: number, stack: Stack, locate: Locator): Shown {
  return { thread: null, cpu, ...shownStack(stack, locate) };
}

function shownStack({ frames, complete, reason }: Stack, locate: Locator) {
  return {
    complete,
    reason: reason ?? null,
    frames: frames.map(({ address, savedAt }) => {
      // A return address lies behind its call, which may be the last instruction of its function.
      const behind = savedAt === null ? 0 : 1;
      const found = locate(address - BigInt(behind));
      const symbol = found === null ? '?' : `${found.name}+${hex(found.offset + behind)}/${hex(found.size)}`;
      return { address: hex(address), symbol, object: found?.object ?? '?' };
    }),
  };
}

function render({ thread, cpu, complete, reason, frames }: Shown, io: Io): string {
  const title = thread === null ? `CPU ${cpu}` : `thread ${thread.pid} (${thread.comm}), ${thread.state}`;
  const lines = frames.map(({ address, symbol, object }) => {
    const module = object === 'vmlinux' ? '' : ` [${object}]`;
    return `  ${address}  ${symbol}${module}\n`;
  });
  if (frames.length === 0 && complete) lines.push('  in user mode\n');
  if (!complete) lines.push(`  ... ${reason}\n`);
  return `${io.color ? `\u001b[1m${title}\u001b[0m` : title}\n${lines.join('')}`;
}
