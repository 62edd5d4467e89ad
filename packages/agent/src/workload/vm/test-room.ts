import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AgentConfig,
  type Heartbeat,
  type Vm,
  type VmSpec,
  vmPaths,
  vmSpecSchema,
} from '@exuvia/contract';
import { countingGuest, TEST_BOOT_ID } from '@exuvia/qemu/testing';
import { hostNetwork, run } from '@exuvia/sys';
import type { VmDependencies } from './dependencies.ts';
import { QemuVms } from './manager.ts';
import { findProcess, kill, waitForPidEnd } from './process.ts';
import { startProgram } from './scopes.ts';

/** A host in a directory: real QEMUs and the real exuvia-launch; without systemd and without a PMEM store. */
export interface TestHost {
  readonly dependencies: VmDependencies;
  readonly logged: string[];
  /** Scopes that a process was adopted into: `SCOPE PID`. */
  readonly adopted: string[];
  /** A manager like that of an agent that has just started. */
  manager(config?: Partial<AgentConfig>): QemuVms;
  /** A spec whose guest is the counting guest. */
  spec(name: string, fields?: object): VmSpec;
  remove(): Promise<void>;
}

/** @param namespace the network namespace in which its QEMUs are started; without one it has no network */
export async function makeTestHost(qemu: string, namespace?: string): Promise<TestHost> {
  const directory = await mkdtemp(join(tmpdir(), 'exuvia-vms-'));
  const store = await mkdtemp('/dev/shm/exuvia-vms-');
  const launcher = join(directory, 'exuvia-launch');
  const source = join(import.meta.dirname, '../../../../../native/launch/exuvia-launch.c');
  await run('cc', ['-O2', '-D_GNU_SOURCE', '-I', join(source, '../../common'), '-o', launcher, source]);
  const logged: string[] = [];
  const adopted: string[] = [];
  const managers: QemuVms[] = [];
  const log = (data: object, message: string) => void logged.push(`${JSON.stringify(data)} ${message}`);
  const paths = testPaths(directory, store);
  const dependencies: VmDependencies = {
    store: directoryStore(paths),
    config: () => ({}),
    log: { info: log, warn: log, error: log },
    scopes: {
      start: (_, command, logFile) => startProgram(command, logFile),
      async adopt(scope, pid) {
        adopted.push(`${scope} ${pid}`);
      },
    },
    paths,
    specs: join(directory, 'specs'),
    updates: join(store, 'updates'),
    instances: join(store, 'vms'),
    saved: join(directory, 'saved'),
    qemu: { binary: qemu, accelerator: 'tcg' },
    network: namespace === undefined ? NO_NETWORK : hostNetwork(namespace),
    launcher: namespace === undefined ? launcher : await launcherIn(namespace, launcher),
    timeoutMs: 30_000,
  };
  await mkdir(dependencies.specs);
  const names = new Set<string>();
  return {
    dependencies,
    logged,
    adopted,
    manager(config = {}) {
      const manager = new QemuVms({ ...dependencies, config: () => config });
      managers.push(manager);
      return manager;
    },
    spec(name, fields = {}) {
      names.add(name);
      const kernel = join(directory, `${name}.bin`);
      return vmSpecSchema.parse({ name, memory: '32M', boot: { kernel }, ...fields });
    },
    async remove() {
      await Promise.all(managers.map((manager) => manager.close()));
      for (const name of names) await endQemu(paths(name));
      await rm(directory, { recursive: true });
      await rm(store, { recursive: true });
    },
  };
}

/** A test must not touch what VMs of the machine that it runs on have. */
const NO_NETWORK: VmDependencies['network'] = {
  links: async () => [],
  hasBridge: async () => false,
  join: async () => {},
  remove: async () => {},
};

async function launcherIn(namespace: string, launcher: string): Promise<string> {
  const script = `${launcher}-in`;
  await writeFile(script, `#!/bin/sh\nexec ip netns exec ${namespace} ${launcher} "$@"\n`, { mode: 0o755 });
  return script;
}

/** Writes the counting guest where the spec expects it, and creates the VM. */
export async function createVm(manager: QemuVms, spec: VmSpec): Promise<VmSpec> {
  if ('kernel' in spec.boot) await writeFile(spec.boot.kernel, countingGuest(spec.name, TEST_BOOT_ID));
  await manager.create(spec);
  return spec;
}

/** Creates the VM, starts it and waits for its guest. */
export async function startGuest(manager: QemuVms, spec: VmSpec): Promise<Vm> {
  await createVm(manager, spec);
  const vm = await manager.start(spec.name);
  await nextHeartbeat(manager, spec.name, 0n);
  return vm;
}

/** The first heartbeat of the VM's guest that is seen with a sequence number greater than this. */
export async function nextHeartbeat(manager: QemuVms, name: string, sequence: bigint): Promise<Heartbeat> {
  for (;;) {
    const beat = await manager.readHeartbeat(name);
    if (beat !== null && beat.sequence > sequence) return beat;
  }
}

function testPaths(directory: string, store: string): VmDependencies['paths'] {
  return (name) => {
    const host = vmPaths(name);
    const runtime = join(directory, 'run', name);
    return {
      ...host,
      spec: join(directory, 'specs', `${name}.yaml`),
      store: join(store, 'vms', name),
      ram: join(store, 'vms', name, 'ram'),
      deviceState: join(store, 'vms', name, 'device-state'),
      instance: join(store, 'vms', name, 'instance.json'),
      savedState: join(directory, 'saved', `${name}.state`),
      runtime,
      next: `${runtime}.next`,
      qmp: join(runtime, 'qmp.sock'),
      handoverQmp: join(runtime, 'handover.sock'),
      console: join(runtime, 'console.sock'),
      guestAgent: join(runtime, 'guest-agent.sock'),
      pidFile: join(runtime, 'qemu.pid'),
      consoleLog: join(directory, `${name}.console.log`),
      qemuLog: join(directory, `${name}.qemu.log`),
    };
  };
}

/** Stands for the DAX store, which needs a PMEM device. */
function directoryStore(paths: VmDependencies['paths']): VmDependencies['store'] {
  return {
    async allocate(name, bytes) {
      await mkdir(paths(name).store, { recursive: true });
      const file = await open(paths(name).ram, 'wx', 0o600);
      await file.truncate(bytes);
      await file.close();
      return paths(name).ram;
    },
    async scrub(name) {
      await rm(paths(name).store, { recursive: true, force: true });
    },
  };
}

async function endQemu(paths: ReturnType<VmDependencies['paths']>): Promise<void> {
  for (let found = await findProcess(paths); found !== null; found = await findProcess(paths)) {
    kill(found.pid);
    await waitForPidEnd(found.pid, paths.ram, 10_000);
  }
}
