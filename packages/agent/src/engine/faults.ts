import { ExuviaError, type Fault } from '@exuvia/contract';

/** The name under which a fault can be put in front of, or behind, the work after the jump. */
export const FINISH = 'finish';

/** Where a step's faults happen. Without a fault it does nothing at all. */
export interface FaultGate {
  /** True while an update waits here. */
  readonly holding: boolean;
  /** Called around every step; holds, fails or kills when the fault says so. */
  pass(step: string, when: Fault['when']): Promise<void>;
  /** Lets a held update go on. False when it is not held. */
  release(): boolean;
}

export interface FaultGateOptions {
  readonly signal: AbortSignal;
  /** Ends this process at once, as SIGKILL does. */
  kill(): void;
  /** Called before a fault happens, so that it happens once. */
  consume(): Promise<void>;
  say(message: string): void;
}

export function createFaultGate(fault: Fault | undefined, options: FaultGateOptions): FaultGate {
  let release: (() => void) | null = null;
  return {
    get holding() {
      return release !== null;
    },
    async pass(step, when) {
      if (fault?.step !== step || fault.when !== when) return;
      if (fault.action !== 'hold') await options.consume();
      switch (fault.action) {
        case 'fail':
          throw new ExuviaError('fault-injected', `A fault was injected ${when} step ${step}.`);
        case 'kill':
          return options.kill();
        case 'hold': {
          const held = Promise.withResolvers<void>();
          release = held.resolve;
          options.say(`Held ${when} step ${step}.`);
          await untilAborted(held.promise, options.signal).finally(() => {
            release = null;
          });
          options.say(`Step ${step} goes on.`);
        }
      }
    },
    release() {
      release?.();
      return release !== null;
    },
  };
}

async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}
