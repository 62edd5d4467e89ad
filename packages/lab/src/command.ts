import { parseArgs } from 'node:util';
import { ExuviaError, formatSize, parseSize, toErrorBody } from '@exuvia/contract';
import { GUEST_NAMES } from './guests/specs.ts';
import { startGuests } from './guests/start.ts';
import { agentClient } from './host/agent.ts';
import { labConsole } from './host/console.ts';
import { labDown } from './host/down.ts';
import { endLabWhenInterrupted } from './host/interrupted.ts';
import { withLabLock } from './host/lock.ts';
import { requireMemory } from './host/machine.ts';
import { labInteractive } from './host/ssh.ts';
import { type LabState, labPaths, requireLab, requireNoLab, runningLab } from './host/state.ts';
import { labUp, type UpOptions } from './host/up.ts';
import { basePackages } from './image/base.ts';
import { buildImage } from './image/image.ts';
import { PREPARED } from './image/prepare.ts';
import { toolPath } from './image/toolbox.ts';
import { runKernelGuest } from './kernel-guests/command.ts';
import { KERNEL_NAMES } from './kernel-guests/kernels.ts';
import { wasEverCached } from './support/cache.ts';
import { type Progress, stderrProgress } from './support/progress.ts';

const HELP = `Usage: exuvia lab COMMAND [options]

A lab host: a virtual machine that is a complete VM host (Debian 13, systemd, KVM, QEMU, Exuvia).

Commands:
  up        build what is missing, start the lab host and its VMs
  down      end the lab host
  status    say whether one runs, and how to reach it
  console   join its serial console (leave with Ctrl-])
  exec -- COMMAND...   run a command on it as root
  image     build the image only
  guest     run a Debian kernel in an emulated VM whose kernel can be looked at and patched
            (exuvia guest ... --qmp PATH), until Ctrl-C

Options of up and image:
  --cpus N             processors (default 3; under emulation its VMs never run on the first)
  --memory SIZE        memory (default 5G)
  --store SIZE         memory for VMs that outlives a kernel (default 2G)
  --kernel RELEASE     kernel of the first boot (default 6.12)
  --vms LIST           VMs to start: ${GUEST_NAMES.join(',')} (default all; "none" for none)
  --busy-memory SIZE   memory of the VM busy (default 512M)
  --mirror URL         a Debian mirror (default: the one that this machine's apt uses)
  --deb FILE           the Exuvia package (default: the newest in build/; "none" for none)
  --refresh            take what the mirror offers today
  --json               print the result as JSON

Options of guest: --cpus N, --memory SIZE (default 512M), --levels 4|5 of page tables, --json, and
  --guest-kernel NAME  ${KERNEL_NAMES.join(', ')} (default 6.12)
  --file PATH          a file of this machine for the guest's /, any number of times
  --run COMMAND        a shell command in the guest; its end ends the guest
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  cpus: { type: 'string' },
  memory: { type: 'string' },
  store: { type: 'string', default: '2G' },
  kernel: { type: 'string', default: '6.12' },
  vms: { type: 'string', default: GUEST_NAMES.join(',') },
  'busy-memory': { type: 'string', default: '512M' },
  mirror: { type: 'string' },
  deb: { type: 'string' },
  refresh: { type: 'boolean', default: false },
  'guest-kernel': { type: 'string', default: '6.12' },
  levels: { type: 'string', default: '4' },
  file: { type: 'string', multiple: true },
  run: { type: 'string' },
} as const;

/** `exuvia lab ...`; prints, and returns the exit code. Never throws. */
export async function labCommand(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  try {
    return await dispatch(args);
  } catch (error) {
    const body = toErrorBody(error);
    if (json) process.stdout.write(`${JSON.stringify(body)}\n`);
    const hint = body.error.hint === undefined ? '' : `${body.error.hint}\n`;
    process.stderr.write(`${body.error.message}\n${hint}`);
    return 1;
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [command = '--help', ...rest] = args;
  if (command === 'exec') return labInteractive(await requireLab(), rest[0] === '--' ? rest.slice(1) : rest);
  const { values } = parse(command.startsWith('-') ? args : rest);
  const print = (value: unknown, text: string) =>
    process.stdout.write(values.json === true ? `${JSON.stringify(value)}\n` : text);
  if (values.help === true || command.startsWith('-')) {
    process.stdout.write(HELP);
    return 0;
  }
  switch (command) {
    case 'up': {
      const progress = stderrProgress();
      endLabWhenInterrupted(progress);
      const state = await labUp(upOptions(values), progress);
      await startVms(state, values.vms, values['busy-memory'], progress);
      print(state, statusText(state));
      return 0;
    }
    case 'down': {
      const ended = await labDown();
      print({ ended }, ended ? 'The lab host has ended.\n' : 'No lab host was running.\n');
      return 0;
    }
    case 'status': {
      const state = await runningLab();
      print(state, state === null ? 'No lab host is running.\n' : statusText(state));
      return state === null ? 3 : 0;
    }
    case 'console':
      await requireLab();
      await labConsole();
      return 0;
    case 'image': {
      const progress = stderrProgress();
      // The first boot of an image is that of a lab host.
      endLabWhenInterrupted(progress);
      const options = upOptions(values);
      const image = await withLabLock(async () => {
        // The first image takes minutes, and its boot, at the end of them, this memory.
        if (!(await wasEverCached(PREPARED))) {
          await requireNoLab();
          await requireMemory(options.memoryBytes);
        }
        return buildImage(options, progress);
      });
      const qemu = toolPath(image.base.folder, 'qemu-system-x86_64');
      const { base, disk, accelerator } = image;
      const packages = await basePackages(base);
      print(
        { disk, accelerator, qemu, root: base.root, ...base.pins, mirror: base.mirror, packages },
        `${disk}\n`,
      );
      return 0;
    }
    case 'guest': {
      const { 'guest-kernel': kernel, levels, file: files = [], run, memory = '512M' } = values;
      return runKernelGuest(
        { kernel, cpus: cpuCount(values.cpus ?? '1', 1), memory, levels, files, run },
        ({ pid, folder, qmp, ramFile }) =>
          print(
            { pid, folder, qmp, ramFile },
            `Process ${pid}, console ${folder}/console.log, memory ${ramFile}\n--qmp ${qmp}\n`,
          ),
      );
    }
    default:
      throw new ExuviaError('usage', `There is no command "lab ${command}".`, { hint: HELP });
  }
}

async function startVms(
  state: LabState,
  list: string,
  busyMemory: string,
  progress: Progress,
): Promise<void> {
  const names = list === 'none' ? [] : list.split(',');
  if (names.length === 0) return;
  const client = await agentClient(state);
  try {
    await progress.step(`lab: starting the VMs ${names.join(', ')}`, () =>
      startGuests(client, names, { busyMemory }),
    );
  } finally {
    await client.close();
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false });
  } catch (error) {
    throw new ExuviaError('usage', error instanceof Error ? error.message : String(error), { hint: HELP });
  }
}

function upOptions(values: ReturnType<typeof parse>['values']): UpOptions {
  const cpus = cpuCount(values.cpus ?? '3', 2);
  const { store, kernel, mirror, refresh } = values;
  const deb = values.deb === 'none' ? null : values.deb;
  if (parseSize(store) === null) throw new ExuviaError('usage', `--store ${store} is no size such as 2G.`);
  return { cpus, memoryBytes: bytes('memory', values.memory ?? '5G'), store, kernel, mirror, deb, refresh };
}

function cpuCount(text: string, least: number): number {
  const cpus = Number(text);
  if (Number.isInteger(cpus) && cpus >= least && cpus <= 64) return cpus;
  throw new ExuviaError('usage', `--cpus ${text} is no number from ${least} to 64.`);
}

function bytes(option: string, text: string): number {
  const size = parseSize(text);
  if (size !== null) return size;
  throw new ExuviaError('usage', `--${option} ${text} is no size such as 5G.`);
}

function statusText(state: NonNullable<Awaited<ReturnType<typeof runningLab>>>): string {
  return `A lab host runs: process ${state.pid}, ${state.accelerator}, ${state.cpus} CPUs, ${formatSize(state.memoryBytes)}.
  agent    https://127.0.0.1:${state.agentPort} (client certificate ${state.clientCert})
  console  ${labPaths().consoleLog}
`;
}
