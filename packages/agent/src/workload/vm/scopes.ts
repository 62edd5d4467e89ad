import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ExuviaError, parseSize, SLICE, type VmSpec } from '@exuvia/contract';
import { adoptIntoScope, isUnitActive, unitOfPid } from '@exuvia/sys';

/** A program that has been started and that the agent may outlive or be outlived by. */
export interface Started {
  readonly pid: number;
  /** The exit code as soon as it has ended while this agent lives; `null` before. */
  exitCode(): number | null;
}

export type Limits = VmSpec['limits'];

/** Where VMs live, so that nothing that happens to the agent touches them. */
export interface Scopes {
  /** Starts a program in a scope of its own; what it says goes to the end of `logFile`. */
  start(scope: string, command: readonly string[], logFile: string, limits: Limits): Promise<Started>;
  /** Makes a process that runs already part of the scope; does nothing when it is. */
  adopt(scope: string, pid: number, limits: Limits): Promise<void>;
}

/** systemd scopes below {@link SLICE}. */
export const systemdScopes: Scopes = {
  start(scope, command, logFile, limits) {
    const properties = scopeProperties(limits).map(({ name, text }) => `--property=${name}=${text}`);
    const options = ['--scope', '--collect', '--quiet', `--slice=${SLICE}`, `--unit=${scope}`, ...properties];
    return startProgram(
      ['systemd-run', ...options, `--description=${describe(scope)}`, '--', ...command],
      logFile,
    );
  },

  /**
   * After a jump QEMU sits in a control group of the scope's name already, made before systemd was there;
   * systemd itself knows nothing of it: hence the unit is asked for, not the control group alone.
   */
  async adopt(scope, pid, limits) {
    if ((await unitOfPid(pid)) === scope && (await isUnitActive(scope))) return;
    const properties = scopeProperties(limits).map(({ busName, value }) => ({ name: busName, value }));
    await adoptIntoScope({
      name: scope,
      slice: SLICE,
      description: describe(scope),
      pids: [pid],
      limits: properties,
    });
  },
};

/** A limit as systemd-run and as systemd's bus have it. */
interface ScopeProperty {
  readonly name: string;
  readonly text: string;
  readonly busName: string;
  readonly value: bigint;
}

/** Pure. systemd.resource-control(5); on the bus a quota is in microseconds a second (org.freedesktop.systemd1(5)). */
export function scopeProperties({ cpuWeight, cpuQuota, memoryHigh }: Limits): ScopeProperty[] {
  const property = (name: string, text: string, value: number, busName = name): ScopeProperty => {
    return { name, text, busName, value: BigInt(value) };
  };
  const bytes = memoryHigh === undefined ? 0 : (parseSize(memoryHigh) ?? 0);
  return [
    ...(cpuWeight === undefined ? [] : [property('CPUWeight', String(cpuWeight), cpuWeight)]),
    ...(cpuQuota === undefined
      ? []
      : [property('CPUQuota', cpuQuota, Number.parseInt(cpuQuota, 10) * 10_000, 'CPUQuotaPerSecUSec')]),
    ...(memoryHigh === undefined ? [] : [property('MemoryHigh', String(bytes), bytes)]),
  ];
}

/**
 * Starts a program that does not die with the agent. It inherits nothing but its log file.
 *
 * @throws ExuviaError `command-missing` when the program does not exist.
 */
export async function startProgram(command: readonly string[], logFile: string): Promise<Started> {
  const [program = '', ...args] = command;
  const log = await openLog(logFile);
  try {
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    });
    await once(child, 'spawn');
    child.unref();
    return {
      pid: child.pid ?? 0,
      exitCode: () => child.exitCode ?? (child.signalCode === null ? null : 128),
    };
  } catch (cause) {
    throw new ExuviaError('command-missing', `The program \`${program}\` cannot be started.`, { cause });
  } finally {
    await log.close();
  }
}

async function openLog(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  return open(path, flags, 0o640);
}

function describe(scope: string): string {
  return `Virtual machine ${scope.replace(/^exuvia-vm-|\.scope$/g, '')}`;
}
