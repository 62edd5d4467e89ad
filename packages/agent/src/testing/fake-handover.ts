import {
  type Check,
  type HandoverKind,
  type PhaseName,
  type Plan,
  type Report,
  staysInBoot,
} from '@exuvia/contract';
import type { Handover, Salvage, Step, StepContext } from '../kinds.ts';
import { fakeReport } from './fakes.ts';

/** What a fake step does, besides being written down in `events`. */
export type Deed = (context: StepContext) => Promise<void> | void;

/** A handover whose steps only write down what they are asked to do; its jump never comes back. */
export class FakeHandover implements Handover {
  readonly events: string[] = [];
  readonly deeds = new Map<string, Deed>();
  checksFound: Check[] = [];
  /** The machine was reset instead of having jumped. */
  wasReset = false;
  report: (plan: Plan) => Report = (plan) => fakeReport(plan);
  /** What is found after a reset; without it nothing of this handover outlives one. */
  salvage?: (context: StepContext) => Promise<Salvage>;
  readonly kind: HandoverKind;
  readonly staysInBoot: boolean;
  readonly #names: readonly (readonly [string, PhaseName | null])[];

  constructor(
    kind: HandoverKind = 'kexec',
    names: readonly (readonly [string, PhaseName | null])[] = FAKE_STEPS,
  ) {
    this.kind = kind;
    this.staysInBoot = staysInBoot(kind);
    this.#names = names;
  }

  async checks(): Promise<Check[]> {
    return this.checksFound;
  }

  async planVms(vms: Plan['vms']): Promise<Plan['vms']> {
    return vms;
  }

  async planStore(): Promise<Plan['store']> {
    return this.kind === 'reboot' ? 'disk' : 'dax';
  }

  steps(): Step[] {
    return this.#names.map(([name, phase]) => ({
      name,
      phase,
      description: `does ${name}`,
      run: (context) => this.#do(`run ${name}`, context),
      undo: (context) => this.#do(`undo ${name}`, context),
    }));
  }

  async arrived(): Promise<boolean> {
    return !this.wasReset;
  }

  async finish(context: StepContext): Promise<Report> {
    await this.#do('finish', context);
    return this.report(context.plan);
  }

  async #do(what: string, context: StepContext): Promise<void> {
    this.events.push(what);
    const deed = this.deeds.get(what);
    if (deed !== undefined) await deed(context);
    else if (what === 'run jump') await new Promise(() => {});
  }
}

export const FAKE_STEPS = [
  ['load', null],
  ['stop-services', null],
  ['save', 'VM suspend'],
  ['quit', 'QEMU shutdown'],
  ['jump', 'kernel shutdown'],
] as const;
