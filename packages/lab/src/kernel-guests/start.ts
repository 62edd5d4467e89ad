import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeHeartbeat, ExuviaError, HEARTBEAT_BYTES, type Heartbeat } from '@exuvia/contract';
import { buildBase } from '../image/base.ts';
import { machineMirror } from '../image/mirror.ts';
import { toolPath } from '../image/toolbox.ts';
import { patience } from '../support/patience.ts';
import { stderrProgress } from '../support/progress.ts';
import { kernelGuestArguments, ramFileOffset } from './arguments.ts';
import { type CommandResult, type Control, connectControl } from './control.ts';
import { type GuestFile, kernelGuestInitramfs, makeDisk, writeInitramfs } from './files.ts';
import { guestFolder } from './folders.ts';
import { type Kernel, type KernelName, kernelSet } from './kernels.ts';

export interface KernelGuestOptions {
  readonly kernel: KernelName;
  /** Default 1. */
  readonly cpus?: number;
  /** Default 512 MiB. Sparse: what the guest does not touch takes no memory. */
  readonly memoryBytes?: number;
  /** Levels of page tables. Default 4. */
  readonly levels?: 4 | 5;
  /** More kernel parameters. */
  readonly append?: string;
  /** Files for its root file system. */
  readonly files?: readonly GuestFile[];
  /** More arguments for QEMU. */
  readonly extra?: readonly string[];
}

/** A stock Debian kernel that runs under TCG with a control channel. */
export interface KernelGuest {
  readonly kernel: Kernel;
  readonly pid: number;
  readonly folder: string;
  readonly qmp: string;
  readonly ramFile: string;
  /** Runs a shell command in the guest. */
  run(command: string, options?: { timeoutMs?: number }): Promise<CommandResult>;
  /** The same for a command that must succeed: its output without the last line break. */
  output(command: string, options?: { timeoutMs?: number }): Promise<string>;
  /** Offset of the heartbeat page in the RAM file. */
  readonly heartbeatOffset: number;
  /** Reads the heartbeat from outside, without asking the guest. */
  heartbeat(): Heartbeat;
  /** What its kernel has printed. */
  console(): Promise<string>;
  /** Lines of its kernel that tell of a crash or of a warning. */
  complaints(): Promise<string[]>;
  /** Boots it again, in the same QEMU. @param command that does it in the guest; default: through the firmware. */
  reboot(command?: string): Promise<void>;
  /** Ends it and removes everything of it. */
  stop(): Promise<void>;
}

/** Where the fine heartbeat lies in the heartbeat page (native/kernel-guest). */
export const FINEBEAT_OFFSET = 2048;

const BOOT_LIMIT_MS = 60_000 * patience;
const BOOT_ATTEMPTS = 2;
/** Enough for a stall report, which is what a lost boot ends with. */
const CONSOLE_LINES = 60;
const MEMORY_FOLDER = '/dev/shm';
const COMPLAINTS =
  /BUG:|Oops|WARNING:|general protection|Kernel panic|stack guard|soft lockup|rcu.*stall|invalid opcode|Unpatched return thunk/;

/** Of a boot in which an idle CPU waits for ever for a timer that the emulator has lost (docs/troubleshooting.md). */
const LOST_TIMER = /rcu.*stall/;

/**
 * Boots a Debian kernel in a QEMU of its own, which ends with this process at the latest. A boot that the emulator has
 * lost is done once more, and said on standard error.
 *
 * @throws ExuviaError `guest-not-ready` with the end of its console.
 */
export async function startKernelGuest(options: KernelGuestOptions): Promise<KernelGuest> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await boot(options);
    } catch (error) {
      const lost = error instanceof ExuviaError && LOST_TIMER.test(error.message);
      if (!lost || attempt === BOOT_ATTEMPTS) throw error;
      process.stderr.write(`${error.message}\nIt is booted once more.\n`);
    }
  }
}

async function boot(options: KernelGuestOptions): Promise<KernelGuest> {
  const base = await buildBase({ mirror: await machineMirror(), refresh: false }, stderrProgress());
  const kernels = await kernelSet(base, stderrProgress());
  const kernel = kernels.kernels[options.kernel];
  const folder = await guestFolder(tmpdir());
  const memory = await guestFolder(MEMORY_FOLDER);
  const remove = async () => {
    for (const path of [folder, memory]) await rm(path, { recursive: true, force: true });
  };
  const memoryBytes = options.memoryBytes ?? 512 * 2 ** 20;
  const ramFile = join(memory, 'ram');
  await writeInitramfs(
    join(folder, 'initrd'),
    await kernelGuestInitramfs(kernels, kernel),
    options.files ?? [],
  );
  await makeDisk(join(memory, 'disk.raw'));
  const args = kernelGuestArguments({
    ...{ folder, image: kernel.image, memoryBytes, ramFile, disk: join(memory, 'disk.raw') },
    cpus: options.cpus ?? 1,
    levels: options.levels ?? 4,
    append: options.append ?? '',
    extra: options.extra ?? [],
  });
  // A test that is killed takes its guest along.
  const qemu = toolPath(base.folder, 'qemu-system-x86_64');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', qemu, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const consoleText = () => readFile(join(folder, 'console.log'), 'utf8').catch(() => '');
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    await remove();
  };
  try {
    const ended = new AbortController();
    const control = await Promise.race([
      connectControl(join(folder, 'control.sock'), BOOT_LIMIT_MS),
      once(child, 'exit', { signal: ended.signal }).then(() => Promise.reject(new Error('QEMU ended.'))),
    ]);
    ended.abort();
    const commands = outputOf(control);
    const findHeartbeat = async () =>
      ramFileOffset(memoryBytes, Number(await commands('cat /run/heartbeat-address')));
    let heartbeatOffset = await findHeartbeat();
    return {
      ...{ kernel, folder, ramFile },
      pid: child.pid ?? 0,
      qmp: join(folder, 'qmp.sock'),
      run: control.run,
      output: commands,
      get heartbeatOffset() {
        return heartbeatOffset;
      },
      heartbeat: () => readHeartbeat(ramFile, heartbeatOffset),
      console: consoleText,
      complaints: async () => (await consoleText()).split('\n').filter((line) => COMPLAINTS.test(line)),
      async reboot(command = 'reboot -f') {
        const again = control.ready(BOOT_LIMIT_MS);
        await control.run(`(sleep 0.2; ${command}) > /dev/null 2>&1 &`);
        await again;
        heartbeatOffset = await findHeartbeat();
      },
      stop: async () => {
        control.close();
        await stop();
      },
    };
  } catch (cause) {
    const tail = (await consoleText()).trim().split('\n').slice(-CONSOLE_LINES).join('\n');
    await stop();
    const message = `The guest with kernel ${kernel.release} did not boot. The end of its console:\n${tail}`;
    throw new ExuviaError('guest-not-ready', message, { cause });
  }
}

function outputOf(control: Control): KernelGuest['output'] {
  return async (command, limits) => {
    const { status, output } = await control.run(command, limits);
    if (status === 0) return output.replace(/\n$/, '');
    const message = `In the guest, \`${command}\` ended with ${status}.`;
    throw new ExuviaError('guest-command-failed', message, { hint: output });
  };
}

function readHeartbeat(ramFile: string, offset: number): Heartbeat {
  const file = openSync(ramFile, 'r');
  try {
    const page = Buffer.alloc(HEARTBEAT_BYTES);
    for (let attempt = 0; attempt < 1000; attempt++) {
      readSync(file, page, 0, page.length, offset);
      const heartbeat = decodeHeartbeat(page);
      if (heartbeat !== null) return heartbeat;
    }
    throw new ExuviaError('guest-no-heartbeat', `${ramFile} has no heartbeat page at ${offset}.`);
  } finally {
    closeSync(file);
  }
}
