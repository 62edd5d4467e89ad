import type { AgentConfig, Check, Vm } from '@exuvia/contract';
import { isCrashKernelLoaded, kernelRelease } from '@exuvia/sys';
import type { VmManager } from '../kinds.ts';
import { armCrashKernel, disarmCrashKernel } from './arm.ts';
import { crashesInARow } from './memory-map.ts';
import { appendCrash, type Crash, isCrashLoop, readCrashes } from './record.ts';

export { CRASH_KERNEL_ARGUMENT } from './arm.ts';

/** What is done so that a crash of the host's kernel costs its VMs as little as can be, and after one. */
export interface CrashRecovery {
  /**
   * In the first agent after a crash: takes up or restarts the VMs that ran. Does nothing in any other boot.
   *
   * @returns true in a crash loop: no VM is to be started in this boot by itself.
   */
  takeUp(bootId: string): Promise<boolean>;
  /** Loads the crash kernel where the configuration asks for it, and frees it where not. */
  arm(): Promise<void>;
  checks(): Promise<Check[]>;
}

export interface CrashDependencies {
  readonly vms: Pick<VmManager, 'list' | 'recover' | 'start'>;
  readonly now: () => Date;
  config(): AgentConfig;
  log(message: string): void;
  /** Tests stand in for the machine that has crashed. */
  readonly host?: CrashHost;
}

/** The machine's part. */
interface CrashHost {
  crashesInARow(): Promise<number>;
  kernel(): string;
  read(): Promise<Crash[]>;
  append(crash: Crash): Promise<void>;
}

const MACHINE: CrashHost = {
  crashesInARow,
  kernel: kernelRelease,
  read: () => readCrashes(),
  append: (crash) => appendCrash(crash),
};

export function createCrashRecovery(dependencies: CrashDependencies): CrashRecovery {
  const { host = MACHINE, now, log } = dependencies;
  let armProblem: string | null = null;
  return {
    async takeUp(bootId) {
      if ((await host.crashesInARow()) === 0) return false;
      const before = await host.read();
      const [found, dealtWith] = before.filter((crash) => crash.bootId === bootId);
      if (dealtWith !== undefined) return isCrashLoop(before, now());
      const crash = found ?? { at: now().toISOString(), bootId, kernel: host.kernel() };
      // Durable before anything is tried: what crashes the host again is counted. An agent that died in it is followed up.
      if (found === undefined) await host.append({ ...crash, vms: [] });
      const loop = isCrashLoop([...before, crash], now());
      const vms: Crash['vms'] = [];
      for (const vm of await dependencies.vms.list()) {
        if (vm.state === 'failed') vms.push(await takeUpOne(dependencies, vm, loop));
      }
      for (const { reason } of vms) log(reason);
      await host.append({ ...crash, vms });
      return loop;
    },
    async arm() {
      armProblem = null;
      const crashes = await host.crashesInARow();
      try {
        if (!dependencies.config().crashRecovery) return await disarmCrashKernel();
        if (isCrashLoop(await host.read(), now())) {
          armProblem =
            'The kernel has crashed three times within half an hour: the next crash is not caught.';
          return await disarmCrashKernel();
        }
        await armCrashKernel(crashes);
      } catch (error) {
        armProblem = error instanceof Error ? error.message : String(error);
        log(`A crash of the kernel would not be caught: ${armProblem}`);
      }
    },
    async checks() {
      const about = { id: 'crash-recovery', subject: 'host' } as const;
      const last = (await host.read()).filter(({ vms }) => vms.length > 0).at(-1);
      const history =
        last === undefined
          ? ''
          : ` The kernel crashed last at ${last.at}: ${last.vms.map(({ reason }) => reason).join(' ')}`;
      if (!dependencies.config().crashRecovery) {
        return [
          {
            ...about,
            verdict: 'ok',
            reason: `Crash recovery is off (crashRecovery in agent.yaml).${history}`,
          },
        ];
      }
      if (armProblem === null && (await isCrashKernelLoaded())) {
        return [
          {
            ...about,
            verdict: 'ok',
            reason: `A crash of the kernel starts the host and its VMs again.${history}`,
          },
        ];
      }
      return [
        {
          ...about,
          verdict: 'warn',
          reason: `A crash of the kernel is not caught. ${armProblem ?? 'No crash kernel is loaded.'}${history}`,
          remedy:
            'With crashRecovery: true in agent.yaml run `exuvia setup --memory SIZE` again, then restart the host once.',
        },
      ];
    },
  };
}

async function takeUpOne({ vms }: CrashDependencies, vm: Vm, loop: boolean): Promise<Crash['vms'][number]> {
  const { name } = vm;
  if (vm.saved === true) {
    try {
      await vms.recover(name);
      return {
        name,
        outcome: 'restored',
        reason: `VM ${name} was saved when the kernel crashed; it runs on.`,
      };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return {
        name,
        outcome: 'kept',
        reason: `VM ${name} was saved when the kernel crashed and is not restored: ${why}`,
      };
    }
  }
  const lost = `VM ${name} ran when the kernel crashed: the state of its vCPUs was lost with that kernel`;
  if (loop) {
    return {
      name,
      outcome: 'not-started',
      reason: `${lost}. It is not started: the kernel has crashed three times within half an hour.`,
    };
  }
  try {
    await vms.start(name);
    return {
      name,
      outcome: 'restarted',
      reason: `${lost}. It was started again from its disks, which are as they were.`,
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { name, outcome: 'not-started', reason: `${lost}, and it could not be started: ${why}` };
  }
}
