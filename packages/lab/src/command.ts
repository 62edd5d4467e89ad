import { formatSize, toErrorBody } from '@exuvia/contract';
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
import { labUp } from './host/up.ts';
import { basePackages } from './image/base.ts';
import { buildImage } from './image/image.ts';
import { PREPARED } from './image/prepare.ts';
import { toolPath } from './image/toolbox.ts';
import { runKernelGuest } from './kernel-guests/command.ts';
import { KERNEL_NAMES } from './kernel-guests/kernels.ts';
import { cpuCount, labUsage, labValues, type UpRequest, upRequest } from './options.ts';
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
  --kernel RELEASE     kernel of the first boot, or the beginning of its release (default 6.12)
  --vms LIST           VMs to start: ${GUEST_NAMES.join(',')} (default all, or none with --deb none; "none" for none)
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
    return body.error.code === 'usage' ? 2 : 1;
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [command = '--help', ...rest] = args;
  if (command === '--help' || command === '-h') return help();
  if (command.startsWith('-')) throw labUsage(`The command comes first, then ${command}.`);
  if (command === 'exec') return labInteractive(await requireLab(), rest[0] === '--' ? rest.slice(1) : rest);
  const values = labValues(rest);
  if (values.help === true) return help();
  const print = (value: unknown, text: string) =>
    process.stdout.write(values.json === true ? `${JSON.stringify(value)}\n` : text);
  switch (command) {
    case 'up': {
      const request = upRequest(values);
      const progress = stderrProgress();
      endLabWhenInterrupted(progress);
      const state = await labUp(request.host, progress);
      await startVms(state, request, progress);
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
      const { host: options } = upRequest(values);
      const progress = stderrProgress();
      // The first boot of an image is that of a lab host.
      endLabWhenInterrupted(progress);
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
      throw labUsage(`There is no command "lab ${command}".`);
  }
}

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

async function startVms(state: LabState, { vms, busyMemory }: UpRequest, progress: Progress): Promise<void> {
  if (vms.length === 0) return;
  const client = await agentClient(state);
  try {
    await progress.step(`lab: starting the VMs ${vms.join(', ')}`, () =>
      startGuests(client, vms, { busyMemory }),
    );
  } finally {
    await client.close();
  }
}

function statusText(state: NonNullable<Awaited<ReturnType<typeof runningLab>>>): string {
  return `A lab host runs: process ${state.pid}, ${state.accelerator}, ${state.cpus} CPUs, ${formatSize(state.memoryBytes)}.
  agent    https://127.0.0.1:${state.agentPort} (client certificate ${state.clientCert})
  console  ${labPaths().consoleLog}
`;
}
