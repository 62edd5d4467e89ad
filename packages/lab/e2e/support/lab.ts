import type { Client } from '@exuvia/client';
import { HOST_PATHS, type Plan, type PlanRequest, parseSize, type Update } from '@exuvia/contract';
import { GUEST_NAMES } from '../../src/guests/specs.ts';
import { startGuests } from '../../src/guests/start.ts';
import { agentClient, askAgent, otherKernel, waitForAgent } from '../../src/host/agent.ts';
import { labDown } from '../../src/host/down.ts';
import { waitUntil } from '../../src/host/machine.ts';
import { labRun } from '../../src/host/ssh.ts';
import { type LabState, runningLab } from '../../src/host/state.ts';
import { labUp } from '../../src/host/up.ts';
import { observeLab } from '../../src/observer/lab.ts';
import type { Observer } from '../../src/observer/observer.ts';
import { stderrProgress } from '../../src/support/progress.ts';

export const progress = stderrProgress();
/** Planning looks at everything, and the lab's processors are emulated. */
const ANSWER_LIMIT_MS = 120_000;
const AGENT_LIMIT_MS = 240_000;
const BEATS_LIMIT_MS = 240_000;
const UPDATE_LIMIT_MS = 300_000;
const ENDED: readonly string[] = ['completed', 'aborted', 'failed'];

/**
 * The lab host that tests run on, booted with the old kernel if none is running. One that another test file
 * left is taken as it is: what a host is after an update is what the next update meets. One without a store,
 * or whose agent does not answer, is replaced.
 */
export async function sharedLab(): Promise<LabState> {
  const running = await runningLab();
  if (running !== null) {
    const host = await waitForAgent(running, AGENT_LIMIT_MS, { store: false }).catch(() => null);
    if (host !== null && host.store !== null) return running;
  }
  return freshLab({ withStore: true });
}

/** A lab host that has just been booted; another one is ended for it. */
export async function freshLab(options: { withStore: boolean; dataDisk?: boolean }): Promise<LabState> {
  await labDown();
  const store = options.withStore ? '2G' : null;
  return labUp(
    {
      ...{ cpus: 3, memoryBytes: parseSize('5G') ?? 0, store, kernel: '6.12', refresh: false },
      withDataDisk: options.dataDisk === true,
    },
    progress,
  );
}

/** A client whose connections are new: an agent that was killed leaves dead ones behind. */
export function ask<T>(lab: LabState, question: (client: Client) => Promise<T>): Promise<T> {
  return askAgent(lab, question, ANSWER_LIMIT_MS);
}

/** The three guests, running, and an observer that has seen them beat and verify their work. */
export async function watchedGuests(lab: LabState): Promise<Observer> {
  const client = await agentClient(lab);
  try {
    await startGuests(client, GUEST_NAMES, { busyMemory: '512M' });
    const observer = observeLab(lab, await client.host(), GUEST_NAMES);
    await observer.waitForBeats(BEATS_LIMIT_MS, 200);
    await observer.waitForWork(BEATS_LIMIT_MS);
    return observer;
  } finally {
    await client.close();
  }
}

/** What must be the same before and after an update that did not happen. */
export interface HostSnapshot {
  readonly kernel: string;
  readonly bootId: string;
  readonly services: readonly string[];
  readonly fileSystems: readonly string[];
  readonly qemus: readonly string[];
  readonly kexecLoaded: string;
  /** kernel.panic, which a new kernel is given another one of. */
  readonly panicTimeout: string;
  /** How the kernel asks the firmware for a restart. */
  readonly rebootMode: string;
  readonly armedWatchdogs: string;
  /** GRUB's environment: an entry for the next boot only would be among it. */
  readonly bootLoader: readonly string[];
  /** Files of VMs and updates in the store; copies of QEMU may stay there for the next update. */
  readonly storeFiles: readonly string[];
}

/** One session: each takes seconds in an emulator. */
const SNAPSHOT = [
  'uname -r; cat /proc/sys/kernel/random/boot_id /sys/kernel/kexec_loaded /proc/sys/kernel/panic /sys/kernel/reboot/mode; cat /sys/class/watchdog/*/state 2>/dev/null | grep -cx active',
  // A timer or socket is "running" only while what it starts runs: active is what stays the same.
  "{ systemctl list-units --plain --no-legend --state=running --type=service; systemctl list-units --plain --no-legend --state=active --type=socket,timer,path; } | cut -d' ' -f1 | grep -v '^ssh@\\|^session-'",
  "findmnt --raw --noheadings -o TARGET,SOURCE,FSTYPE | grep -v '^/run/credentials'",
  'grub-editenv list',
  `find ${['vms', 'updates', 'boot-files', 'reset-pattern'].map((name) => `${HOST_PATHS.store}/${name}`).join(' ')} -type f 2>/dev/null`,
  "ps -C exuvia-tiny,exuvia-disk,exuvia-busy,qemu-system-x86_64 -o pid=,comm= | sed 's/^ *//'",
];

export async function snapshotOf(lab: LabState): Promise<HostSnapshot> {
  const { stdout } = await labRun(lab, SNAPSHOT.join('; echo; '));
  const [facts = [], ...lists] = stdout.split('\n\n').map((part) => part.split('\n'));
  const [
    kernel = '',
    bootId = '',
    kexecLoaded = '',
    panicTimeout = '',
    rebootMode = '',
    armedWatchdogs = '',
  ] = facts;
  const [services = [], fileSystems = [], bootLoader = [], storeFiles = [], qemus = []] = lists.map((lines) =>
    lines.sort(),
  );
  return {
    ...{ kernel, bootId, kexecLoaded, panicTimeout, rebootMode, armedWatchdogs },
    ...{ services, fileSystems, bootLoader, storeFiles, qemus },
  };
}

/** Waits for the end of an update, through the death of an agent or of a kernel. */
export function endOf(lab: LabState, id: string): Promise<Update> {
  return waitUntil(lab, `The end of update ${id}`, UPDATE_LIMIT_MS, async () => {
    const update = await askAgent(lab, (client) => client.update(id));
    return ENDED.includes(update.state) ? update : null;
  });
}

/** Waits until a step of an update is the one that is being executed. */
export function untilAtStep(lab: LabState, id: string, step: string): Promise<Update> {
  return waitUntil(lab, `Step ${step}`, UPDATE_LIMIT_MS, async () => {
    const update = await askAgent(lab, (client) => client.update(id));
    const found = update.steps.find(({ name }) => name === step);
    if (ENDED.includes(update.state)) throw new Error(`Update ${id} ended before ${step}: ${update.reason}`);
    return found?.state === 'running' ? update : null;
  });
}

/** Waits until the lab host has another boot id than `before`. */
export async function untilRebooted(lab: LabState, before: string): Promise<void> {
  await waitUntil(lab, 'Another boot', AGENT_LIMIT_MS, async () => {
    const { stdout } = await labRun(lab, 'cat /proc/sys/kernel/random/boot_id', { timeoutMs: 20_000 });
    return stdout !== '' && stdout !== before ? true : null;
  });
}

/** Waits until a fault holds an update behind a step. */
export async function untilHeld(lab: LabState, id: string, step: string): Promise<void> {
  const client = await agentClient(lab);
  try {
    for await (const { message } of client.follow(id)) {
      if (message === `Held after step ${step}.`) return;
    }
  } finally {
    await client.close();
  }
  throw new Error(`Update ${id} ended before it was held after ${step}.`);
}

/** What an update is asked for, by what the lab host is at that time. */
export type Change = (lab: LabState) => Promise<PlanRequest>;

export const toOtherKernel: Change = async (lab) => ({ kernel: await otherKernel(lab) });

/** Starts an update that is held behind `step`. */
export async function heldAfter(
  lab: LabState,
  step: string,
  change: Change = toOtherKernel,
): Promise<string> {
  const request = await change(lab);
  const fault = { step, action: 'hold', when: 'after' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ ...request, fault }));
  await untilHeld(lab, id, step);
  return id;
}

/** The steps of an update, as its plan lists them. */
export async function plannedSteps(lab: LabState, change: Change = toOtherKernel): Promise<Plan['steps']> {
  const request = await change(lab);
  const plan = await ask(lab, (client) => client.makePlan(request));
  return plan.steps;
}

/** The number of QEMU processes that have each VM's memory open: never more than one. */
export async function qemusByVm(lab: LabState): Promise<Record<string, number>> {
  const { stdout } = await labRun(
    lab,
    `for name in ${GUEST_NAMES.join(' ')}; do echo "$name $(grep -l "/vms/$name/ram" /proc/[0-9]*/maps 2>/dev/null | wc -l)"; done`,
  );
  return Object.fromEntries(
    stdout.split('\n').map((line) => {
      const [name = '', count = ''] = line.split(' ');
      return [name, Number(count)];
    }),
  );
}

/** Waits until an update has said something, as its event stream has it. */
export async function untilSaid(lab: LabState, id: string, message: string): Promise<void> {
  const client = await agentClient(lab);
  try {
    for await (const event of client.follow(id)) if (event.message === message) return;
  } finally {
    await client.close();
  }
  throw new Error(`Update ${id} ended without having said: ${message}`);
}

/** The version of the QEMU that each VM runs in, by its own word. */
export async function qemuVersions(lab: LabState): Promise<Record<string, string | null | undefined>> {
  return Object.fromEntries((await ask(lab, (client) => client.vms())).map(({ name, qemu }) => [name, qemu]));
}

/** The module of KVM for the lab host's processor. */
export async function vendorModule(lab: LabState): Promise<string> {
  const { stdout } = await labRun(lab, 'ls /sys/module');
  return stdout.split('\n').find((name) => /^kvm_(amd|intel)$/.test(name)) ?? '';
}
