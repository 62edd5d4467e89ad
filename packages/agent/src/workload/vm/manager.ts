import { type Check, ExuviaError, type Heartbeat, type Vm, type VmSpec } from '@exuvia/contract';
import {
  describeQemu,
  type GuestClock,
  type OpenImage,
  queryImages,
  restoreCommandLine,
  setGuestClock,
} from '@exuvia/qemu';
import { createHeartbeatReader } from '../../heartbeat/index.ts';
import type { RunningQemu, SaveInPlaceOptions, Successors, VmManager } from '../../kinds.ts';
import { adoptVm } from './adopt.ts';
import { checkVm } from './checks.ts';
import type { VmDependencies } from './dependencies.ts';
import { type Instance, listInstances } from './instance.ts';
import { removeLogs } from './logs.ts';
import { Monitors } from './monitors.ts';
import { checkedName, nothingToRecover, notRunning, vmUnknown } from './names.ts';
import { waitForEnd } from './process.ts';
import { gone, lookAt, type Reality, toVm } from './reality.ts';
import { restoreVm } from './restore.ts';
import { resumeVm } from './resume.ts';
import { endSavedVm, saveVmInPlace, saveVmTo } from './save.ts';
import { readSpec, readSpecIfValid, readSpecs, removeSpec, writeSpec } from './specs.ts';
import { startVm } from './start.ts';
import { stopVm } from './stop.ts';
import { createSuccessors } from './succession.ts';
import { removeOrphanTaps } from './taps.ts';
import { sizeOf } from './text-file.ts';
import { Turns } from './turns.ts';

/** So long a guest's agent may take for all that it is asked. */
const GUEST_AGENT_MS = 10_000;

/**
 * The VMs of this host: QEMU processes in scopes of their own, their specs in a directory, their memory in
 * the store. Nothing about a VM's state is remembered: it is read from its RAM file's lock, its process and
 * its monitor each time, so that an agent that has just started knows as much as one that runs for a year.
 */
export class QemuVms implements VmManager {
  readonly #dependencies: VmDependencies;
  readonly #monitors: Monitors;
  readonly #turns = new Turns();
  readonly #heartbeats = createHeartbeatReader();
  readonly successors: Successors;

  constructor(dependencies: VmDependencies) {
    this.#dependencies = dependencies;
    this.#monitors = new Monitors(dependencies, (name) => this.#guestEnded(name));
    this.successors = createSuccessors({
      dependencies,
      monitors: this.#monitors,
      inTurn: (name, work) => this.#inTurn(name, work),
    });
  }

  /** VMs with a spec, and VMs whose spec was removed or damaged while they run. Sorted by name. */
  async list(options: { answerWithinMs?: number } = {}): Promise<Vm[]> {
    const { specs, problems } = await readSpecs(this.#dependencies.specs);
    for (const [name, problem] of problems) {
      this.#dependencies.log.warn({ spec: name, code: problem.code }, problem.message);
    }
    const names = new Set([...specs.keys(), ...(await this.names())]);
    const vms = await Promise.all(
      [...names].sort().map((name) => this.#describe(name, specs.get(name) ?? null, options)),
    );
    return vms.filter((vm) => vm !== null);
  }

  /** @throws ExuviaError `vm-unknown`, `vm-name-invalid`, `spec-invalid`. */
  async get(name: string): Promise<Vm> {
    const vm = await this.#describe(checkedName(name), await readSpecIfValid(this.#dependencies.specs, name));
    if (vm !== null) return vm;
    await readSpec(this.#dependencies.specs, name);
    throw vmUnknown(name);
  }

  async create(spec: VmSpec): Promise<Vm> {
    const name = checkedName(spec.name);
    return this.#turns.take(name, async () => {
      const { specs, problems } = await readSpecs(this.#dependencies.specs);
      if (specs.has(name) || problems.has(name) || (await this.names()).includes(name)) {
        throw new ExuviaError('vm-exists', `There is a VM ${name} already.`, {
          hint: `To replace it: exuvia vm destroy ${name}`,
        });
      }
      await writeSpec(this.#dependencies.specs, spec);
      return this.get(name);
    });
  }

  async start(name: string): Promise<Vm> {
    return this.#inTurn(name, async (reality) => {
      const spec = await readSpec(this.#dependencies.specs, name);
      if (spec === null) throw vmUnknown(name);
      await startVm(spec, reality, this.#dependencies, this.#monitors);
      this.#dependencies.log.info({ vm: name }, 'A VM was started.');
      return this.get(name);
    });
  }

  async stop(name: string, { timeoutMs }: { timeoutMs: number }): Promise<Vm> {
    return this.#inTurn(name, async (reality) => {
      const before = await this.get(name);
      await stopVm(name, timeoutMs, reality, this.#dependencies, this.#monitors);
      this.#dependencies.log.info({ vm: name }, 'A VM was stopped; its memory is overwritten.');
      // A VM whose spec had been removed is gone now.
      return (
        (await this.#describe(name, await readSpecIfValid(this.#dependencies.specs, name))) ?? gone(before)
      );
    });
  }

  async destroy(name: string): Promise<void> {
    await this.#inTurn(name, async (reality) => {
      const { specs, paths, log } = this.#dependencies;
      const { problems } = await readSpecs(specs);
      if (!problems.has(name)) await this.get(name);
      await stopVm(name, 0, reality, this.#dependencies, this.#monitors);
      await removeSpec(specs, name);
      await removeLogs(paths(name));
      log.info({ vm: name }, 'A VM was destroyed.');
    });
  }

  /**
   * To be called once when the agent starts, before anything is started: reconnects to every QEMU that runs
   * on memory in the store and makes it part of its scope. What cannot be adopted is logged and left alone. Taps of
   * VMs that are gone are removed.
   */
  async adopt(): Promise<Vm[]> {
    const names = await this.names();
    await removeOrphanTaps(names, this.#dependencies.network).catch((err: unknown) => {
      this.#dependencies.log.warn({ err }, 'Taps of VMs that are gone could not be removed.');
    });
    const adopted = await Promise.all(names.map((name) => this.#adoptOne(name)));
    return adopted.filter((vm) => vm !== null);
  }

  async checks(name: string): Promise<Check[]> {
    return this.#inTurn(name, async (reality) => {
      await this.get(name);
      const { paths, network } = this.#dependencies;
      return checkVm(
        name,
        await readSpecIfValid(this.#dependencies.specs, name),
        reality,
        { paths: paths(name), network },
        this.#monitors,
      );
    });
  }

  /** Begins with QEMU's absolute path. @throws ExuviaError `vm-not-running` when it was never started. */
  async restoreArguments(name: string): Promise<readonly string[]> {
    return restoreCommandLine((await this.#instance(name)).commandLine);
  }

  async images(name: string): Promise<readonly OpenImage[]> {
    return this.#inTurn(name, async ({ process }) => {
      if (process === null) throw notRunning(name);
      return queryImages(await this.#monitors.get(name));
    });
  }

  async setClock(name: string): Promise<GuestClock | null> {
    const { instance, process } = await this.#lookAt(checkedName(name));
    if (process === null || (instance?.spec.guestAgent ?? 'none') === 'none') return null;
    return setGuestClock(this.#dependencies.paths(name).guestAgent, { timeoutMs: GUEST_AGENT_MS });
  }

  async runningQemu(name: string): Promise<RunningQemu | null> {
    return this.#inTurn(name, async ({ process, instance, status }) => {
      if (process === null || status === null) return null;
      const binary = instance?.commandLine[0] ?? '';
      return { ...(await describeQemu(await this.#monitors.get(name))), binary, pid: process.pid };
    });
  }

  async resume(name: string): Promise<void> {
    await this.#inTurn(name, (reality) => resumeVm(name, reality, this.#dependencies, this.#monitors));
  }

  /** Names of all VMs that have memory in the store or a saved state: what a scrub of orphans must leave alone. */
  names(): Promise<string[]> {
    return listInstances(this.#dependencies.instances, this.#dependencies.saved);
  }

  /** What is wrong with spec files, by the name that the file has. */
  async specProblems(): Promise<ReadonlyMap<string, ExuviaError>> {
    return (await readSpecs(this.#dependencies.specs)).problems;
  }

  /** The guest's heartbeat; `null` when its memory holds no heartbeat page, or it has no memory. */
  async readHeartbeat(name: string): Promise<Heartbeat | null> {
    return this.#heartbeats.read(name, this.#dependencies.paths(checkedName(name)).ram);
  }

  /**
   * Saves a VM, RAM included, to a file outside of the store, and leaves it paused: `endSaved` comes next,
   * or `resume`. On failure it runs on and there is no file.
   */
  async saveTo(name: string, stateFile: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#inTurn(name, async ({ process }) => {
      if (process === null) throw notRunning(name);
      await this.#instance(name);
      await saveVmTo(name, stateFile, this.#dependencies, this.#monitors, options);
    });
  }

  async saveInPlace(name: string, options: SaveInPlaceOptions = {}): Promise<void> {
    await this.#inTurn(name, async ({ process }) => {
      if (process === null) throw notRunning(name);
      await saveVmInPlace(name, this.#dependencies, this.#monitors, options);
    });
  }

  /** Ends the QEMU of a VM that has been saved. Its memory and instance stay in the store. Idempotent. */
  async endSaved(name: string): Promise<void> {
    await this.#inTurn(name, async ({ process }) => {
      if (process !== null) await endSavedVm(name, this.#dependencies, this.#monitors);
    });
  }

  /** Takes up a VM from the file that `saveTo` wrote, RAM included; the file is removed. */
  async restoreFrom(name: string, stateFile: string, { binary }: { binary?: string } = {}): Promise<Vm> {
    return this.#restore(name, stateFile, 'in-file', binary);
  }

  /** Takes up a VM whose RAM and device state an update left in the store, when the early restore did not. */
  async restoreInPlace(name: string, { binary }: { binary?: string } = {}): Promise<Vm> {
    const { deviceState } = this.#dependencies.paths(checkedName(name));
    return this.#restore(name, deviceState, 'in-place', binary);
  }

  /**
   * What `exuvia recover` does: takes up a VM that was saved and is kept, from the store or from disk, or in a QEMU that an
   * update has left alone.
   */
  async recover(name: string): Promise<Vm> {
    const paths = this.#dependencies.paths(checkedName(name));
    const left = await this.successors.settleLeft(name);
    const vm = await this.get(name);
    if (left === 'new' || left === 'old') return vm;
    if (vm.saved !== true) throw nothingToRecover(vm);
    const inStore = await sizeOf(paths.deviceState);
    const restored =
      inStore > 0 ? await this.restoreInPlace(name) : await this.restoreFrom(name, paths.savedState);
    await this.setClock(name).catch((error: unknown) => {
      this.#dependencies.log.warn({ vm: name, err: error }, 'The wall clock of a VM was not set.');
    });
    return restored;
  }

  /** Lets go of all VMs; they run on. For the end of the agent. */
  async close(): Promise<void> {
    await this.#monitors.close();
  }

  async #restore(name: string, stateFile: string, ram: 'in-file' | 'in-place', binary?: string): Promise<Vm> {
    return this.#inTurn(name, async (reality) => {
      await restoreVm(name, stateFile, ram, reality, this.#dependencies, this.#monitors, binary);
      this.#dependencies.log.info({ vm: name }, 'A VM was restored.');
      return this.get(name);
    });
  }

  async #adoptOne(name: string): Promise<Vm | null> {
    try {
      return await this.#inTurn(name, async (reality) => {
        const adopted = await adoptVm(name, reality, this.#dependencies, this.#monitors);
        return adopted ? this.get(name) : null;
      });
    } catch (error) {
      this.#dependencies.log.error({ vm: name, err: error }, 'A running VM could not be adopted.');
      return null;
    }
  }

  /** A guest that powered itself down: its memory must not stay in the store. */
  #guestEnded(name: string): void {
    const { log, paths, timeoutMs } = this.#dependencies;
    const cleaning = this.#turns.take(name, async () => {
      if (!(await waitForEnd(paths(name), timeoutMs))) return;
      const reality = await this.#lookAt(name);
      if (reality.saved || reality.process !== null) return;
      await stopVm(name, 0, reality, this.#dependencies, this.#monitors);
      log.info({ vm: name }, 'A guest has powered itself down; its memory is overwritten.');
    });
    cleaning.catch((error: unknown) => {
      log.error({ vm: name, err: error }, 'What a VM left behind could not be removed.');
    });
  }

  /** Checks the name, waits for its turn, and looks at what is there. */
  async #inTurn<T>(name: string, work: (reality: Reality) => Promise<T>): Promise<T> {
    checkedName(name);
    return this.#turns.take(name, async () => work(await this.#lookAt(name)));
  }

  #lookAt(name: string, options: { answerWithinMs?: number } = {}): Promise<Reality> {
    return lookAt(name, this.#dependencies, this.#monitors, options);
  }

  async #describe(
    name: string,
    spec: VmSpec | null,
    options: { answerWithinMs?: number } = {},
  ): Promise<Vm | null> {
    const reality = await this.#lookAt(name, options);
    const known = spec ?? reality.instance?.spec ?? null;
    return known === null ? null : toVm(name, known, reality, this.#dependencies.paths(name));
  }

  async #instance(name: string): Promise<Instance> {
    const { instance, instanceProblem } = await this.#lookAt(checkedName(name));
    if (instance !== null) return instance;
    throw instanceProblem === null ? notRunning(name) : new ExuviaError('instance-invalid', instanceProblem);
  }
}
