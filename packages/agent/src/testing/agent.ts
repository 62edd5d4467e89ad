import { join } from 'node:path';
import {
  type AgentConfig,
  agentConfigSchema,
  ExuviaError,
  type HandoverKind,
  type Host,
} from '@exuvia/contract';
import { type Agent, type AgentPaths, startAgent } from '../daemon/agent.ts';
import { FakeHandover } from './fake-handover.ts';
import { FakeStore, FakeVms, fakeHost, fakeVm } from './fakes.ts';
import { temporaryFolder } from './folder.ts';

export interface TestAgent extends Agent {
  readonly folder: string;
  readonly paths: AgentPaths;
  readonly vms: FakeVms;
  readonly store: FakeStore;
  readonly handover: FakeHandover;
  /** Lines that the agent logged, newest last. */
  readonly logged: string[];
  /** How often the agent was to be killed by a fault. */
  readonly kills: { count: number };
}

export interface TestAgentOptions {
  /** The folder of an agent before: this one finds its journal. Without it a new one is made. */
  readonly folder?: string;
  readonly config?: Partial<AgentConfig>;
  readonly host?: Partial<Host>;
  readonly vms?: FakeVms;
  readonly handover?: FakeHandover;
  /** This boot is one of too many that a crash of the kernel led to. */
  readonly crashLoop?: boolean;
  /** Default: true. */
  readonly waitUntilReady?: boolean;
  /** What an injected fault does that kills; without it the kill is only counted. */
  kill?(): void;
}

/**
 * A whole agent in this process: real journal, engine, planner, API and sockets, in a directory of its own;
 * only the machine below it is made up (fakes.ts). The caller stops it.
 */
export async function startTestAgent(options: TestAgentOptions = {}): Promise<TestAgent> {
  const folder = options.folder ?? (await temporaryFolder());
  const paths = {
    journal: join(folder, 'state/journal.jsonl'),
    updates: join(folder, 'state/updates'),
    socket: join(folder, 'run/agent.sock'),
    runtime: join(folder, 'run'),
  };
  const {
    vms = new FakeVms(fakeVm('web'), fakeVm('db', { state: 'stopped' })),
    handover = new FakeHandover(),
  } = options;
  const host = fakeHost(options.host);
  const store = new FakeStore();
  const logged: string[] = [];
  const kills = { count: 0 };
  const record = (data: object, message: string) => {
    logged.push(message);
    if (process.env.EXUVIA_TEST_LOG !== undefined)
      process.stderr.write(`${message} ${JSON.stringify(data)}\n`);
  };
  const agent = await startAgent({
    paths,
    config: agentConfigSchema.parse({ allowFaultInjection: true, ...options.config }),
    log: { debug: record, info: record, warn: record, error: record },
    parts: {
      store,
      vms,
      handovers: new Map<HandoverKind, FakeHandover>([[handover.kind, handover]]),
      bootId: host.bootId,
      kernel: host.kernel,
      inventory: (currentUpdate) => ({ host: async () => ({ ...host, update: currentUpdate() }) }),
      doctor: async () => ({
        checks: [{ id: 'kvm', subject: 'host', verdict: 'ok', reason: 'KVM works.' }],
        handovers: [{ handover: 'kexec', possible: true, reasons: [] }],
      }),
      setup: async (memoryBytes) => ({
        state: 'reboot-needed',
        region: { start: 2 ** 32, size: memoryBytes },
        source: 'memmap',
        changedFiles: ['/etc/default/grub.d/exuvia.cfg'],
        message: 'Reboot now.',
      }),
      undoSetup: async () => ({
        state: 'undone',
        region: null,
        source: null,
        changedFiles: [],
        message: 'There was no setup.',
      }),
      software: {
        qemus: async () => [],
        qemuAt: async (binary) => {
          throw new ExuviaError('qemu-missing', `There is no QEMU at ${binary}.`);
        },
        changedModules: async () => [],
        livepatches: async () => [],
      },
      keepModules: async () => {},
      cutLogs: async () => {},
      aptLine: async (kernel) => (kernel.startsWith('7.') ? `apt install linux-image-${kernel}-amd64` : null),
      crash: { takeUp: async () => options.crashLoop ?? false, arm: async () => {}, checks: async () => [] },
      close: async () => {},
      kill: () => {
        kills.count += 1;
        options.kill?.();
      },
    },
  });
  if (options.waitUntilReady !== false) await agent.ready;
  return {
    folder,
    paths,
    vms,
    store,
    handover,
    logged,
    kills,
    socket: agent.socket,
    ready: agent.ready,
    get remote() {
      return agent.remote;
    },
    reload: agent.reload,
    stop: agent.stop,
  };
}
