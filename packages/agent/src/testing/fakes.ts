import {
  type Check,
  ExuviaError,
  type Host,
  PHASES,
  type Plan,
  type Report,
  type Vm,
  type VmSpec,
} from '@exuvia/contract';
import type { OpenImage } from '@exuvia/qemu';
import type { RunningQemu, Store, VmManager } from '../kinds.ts';

/**
 * Stand-ins for what cannot run in a unit test: the QEMU processes of a host and its PMEM; fake-handover.ts
 * has the jump into another kernel. The lab's tests run the real ones.
 */
export function fakeVm(name: string, change: Partial<Vm> = {}): Vm {
  const spec: VmSpec = {
    version: 1,
    name,
    vcpus: 1,
    memory: '128M',
    machine: 'pc-q35-10.0',
    cpu: 'host',
    boot: { kernel: '/boot/guest', cmdline: '' },
    disks: [],
    networks: [],
    serial: true,
    priority: 100,
    autostart: false,
    onFailure: 'abort',
    heartbeat: false,
    limits: {},
    nice: 0,
    guestAgent: 'none',
    extraArgs: [],
  };
  return {
    name,
    spec,
    state: 'running',
    pid: change.state === 'stopped' ? null : 4711,
    scope: `exuvia-vm-${name}.scope`,
    startedAt: '2026-11-21T10:00:00.000Z',
    ramFile: null,
    console: null,
    ...change,
  };
}

/** VMs as a table in memory; `events` tells what was done to them. */
export class FakeVms implements VmManager {
  readonly table = new Map<string, Vm>();
  readonly events: string[] = [];
  readonly unresumable = new Set<string>();
  readonly unstartable = new Set<string>();
  /** Guests whose wall clocks were to be set. */
  readonly clocksSet: string[] = [];
  checksOf: (name: string) => Check[] = () => [];

  constructor(...vms: Vm[]) {
    for (const vm of vms) this.table.set(vm.name, vm);
  }

  async list(): Promise<Vm[]> {
    return [...this.table.values()];
  }

  async get(name: string): Promise<Vm> {
    const vm = this.table.get(name);
    if (vm !== undefined) return vm;
    throw new ExuviaError('vm-unknown', `There is no VM ${name}.`);
  }

  async create(spec: VmSpec): Promise<Vm> {
    if (this.table.has(spec.name)) throw new ExuviaError('vm-exists', `There is a VM ${spec.name} already.`);
    return this.#set(fakeVm(spec.name, { spec, state: 'stopped', pid: null }));
  }

  async start(name: string): Promise<Vm> {
    this.events.push(`start ${name}`);
    if (this.unstartable.has(name)) throw new ExuviaError('store-full', 'The store is full.');
    return this.#set({ ...(await this.get(name)), state: 'running', pid: 4711 });
  }

  async stop(name: string, { timeoutMs }: { timeoutMs: number }): Promise<Vm> {
    this.events.push(`stop ${name} ${timeoutMs}`);
    return this.#set({ ...(await this.get(name)), state: 'stopped', pid: null });
  }

  async destroy(name: string): Promise<void> {
    await this.get(name);
    this.table.delete(name);
  }

  async adopt(): Promise<Vm[]> {
    return this.list();
  }

  async checks(name: string): Promise<Check[]> {
    return this.checksOf(name);
  }

  async setClock(name: string): Promise<null> {
    this.clocksSet.push(name);
    return null;
  }

  async images(): Promise<readonly OpenImage[]> {
    return [];
  }

  async runningQemu(): Promise<RunningQemu | null> {
    return null;
  }

  async restoreArguments(): Promise<readonly string[]> {
    return [];
  }

  async resume(name: string): Promise<void> {
    this.events.push(`resume ${name}`);
    if (this.unresumable.has(name)) throw new Error(`${name} does not answer.`);
    await this.#set({ ...(await this.get(name)), state: 'running' });
  }

  async recover(name: string): Promise<Vm> {
    this.events.push(`recover ${name}`);
    const vm = await this.get(name);
    if (vm.saved !== true) throw new ExuviaError('vm-nothing-to-recover', `No state of VM ${name} is kept.`);
    const { saved: _, ...rest } = vm;
    return this.#set({ ...rest, state: 'running' });
  }

  pause(name: string): void {
    const vm = this.table.get(name);
    if (vm !== undefined) this.table.set(name, { ...vm, state: 'paused' });
  }

  async #set(vm: Vm): Promise<Vm> {
    this.table.set(vm.name, vm);
    return vm;
  }
}

export class FakeStore implements Store {
  readonly kind = 'dax';
  kept: readonly string[] | null = null;

  async checks(): Promise<Check[]> {
    return [];
  }

  async open() {
    return null;
  }

  async status() {
    return null;
  }

  async allocate(name: string): Promise<string> {
    return `/nowhere/${name}`;
  }

  async scrub(): Promise<void> {}

  async scrubOrphans(keep: ReadonlySet<string>): Promise<string[]> {
    this.kept = [...keep].sort();
    return [];
  }

  async resets() {
    return { outlives: false, reason: 'Nothing is known.' };
  }

  async markForReset(): Promise<void> {}

  async completeMark(): Promise<void> {}

  async judgeReset(): Promise<void> {}

  async forgetReset(): Promise<void> {}
}

export function fakeHost(change: Partial<Host> = {}): Host {
  return {
    hostname: 'testhost',
    version: '0.1.0',
    kernel: '6.12.107+deb13-amd64',
    bootId: 'boot-1',
    qemu: '10.0.13',
    kernels: ['6.12.107+deb13-amd64', '7.2.12+deb13-amd64'],
    packages: { exuvia: '0.1.0' },
    sources: ['http://deb.example/debian/ trixie'],
    qemus: [],
    cpuModel: 'Test CPU',
    cpus: 2,
    memoryBytes: 2 ** 32,
    hypervisor: 'qemu',
    store: null,
    update: null,
    ...change,
  };
}

export function fakeReport(plan: Plan, change: Partial<Report> = {}): Report {
  return {
    version: 1,
    update: plan.id,
    outcome: 'completed',
    reason: null,
    handover: plan.handover,
    startedAt: plan.createdAt,
    finishedAt: plan.createdAt,
    host: {
      hostname: plan.host.hostname,
      kernelBefore: plan.host.kernel,
      kernelAfter: plan.target.kernel,
      qemu: plan.host.qemu,
      cpuModel: 'Test CPU',
      cpus: 2,
      hypervisor: 'qemu',
      packages: {},
      sources: [],
      qemus: [],
    },
    phases: PHASES.map((name, index) => ({ name, ms: (index + 1) * 10 })),
    vms: plan.vms.map(({ name }) => ({
      name,
      outcome: 'running',
      phases: [],
      pausedMs: 550,
      bootIdSame: true,
      heartbeatContinued: true,
      clock: null,
    })),
    totalMs: 550,
    phaseSumMs: 550,
    deviationPct: 0,
    initramfsBytes: 4_000_000,
    observation: null,
    ...change,
  };
}
