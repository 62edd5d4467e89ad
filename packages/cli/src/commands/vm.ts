import { text as readAll } from 'node:stream/consumers';
import { type Client, Refused } from '@exuvia/client';
import { ExuviaError, parseVmSpec, type Vm, vmSpecJsonSchema } from '@exuvia/contract';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { readGivenFile } from '../given-file.ts';
import { show as print, table } from '../print.ts';
import type { Invocation } from '../program.ts';

export async function create({ args, options, io }: Invocation<{ start?: boolean }>): Promise<ExitStatus> {
  const file = argument(args);
  const spec = parseVmSpec(file === '-' ? await readAll(io.stdin) : String(await readGivenFile(file)), file);
  const vm = await withClient(options, async (client) => {
    const created = await client.createVm(spec);
    if (options.start !== true) return created;
    const tell = options.json === true ? () => undefined : io.err;
    return await startCreated(client, created, tell);
  });
  print(io, options, vm, () => `VM ${vm.name} is created${options.start === true ? ' and running' : ''}.\n`);
  return EXIT.ok;
}

/** Refusals that say nothing against the VM: it runs already, or the host is busy just now. */
const NOT_THE_VMS_FAULT = new Set(['vm-running', 'update-running', 'host-busy']);

/** A VM that cannot be started is not left behind either. */
async function startCreated(client: Client, { name }: Vm, tell: (text: string) => void): Promise<Vm> {
  try {
    return await client.startVm(name);
  } catch (error) {
    if (!isUseless(error) || !(await isDestroyed(client, name))) tell(`VM ${name} is created.\n`);
    throw error;
  }
}

function isUseless(error: unknown): boolean {
  if (error instanceof Refused) return !NOT_THE_VMS_FAULT.has(error.code);
  return error instanceof ExuviaError && error.code === 'vm-start-failed';
}

async function isDestroyed(client: Client, name: string): Promise<boolean> {
  try {
    await client.destroyVm(name);
    return true;
  } catch {
    return false;
  }
}

export async function list({ options, io }: Invocation): Promise<ExitStatus> {
  const vms = await withClient(options, (client) => client.vms());
  print(io, options, vms, () => {
    if (vms.length === 0) return 'No VMs. Create one: exuvia vm create FILE\n';
    const rows = vms.map((vm) => [
      vm.name,
      vm.state,
      String(vm.spec.vcpus),
      vm.spec.memory,
      vm.startedAt ?? '-',
    ]);
    return table(['name', 'state', 'vCPUs', 'memory', 'started'], rows, io);
  });
  return EXIT.ok;
}

export async function show({ args, options, io }: Invocation): Promise<ExitStatus> {
  const vm = await withClient(options, (client) => client.vm(argument(args)));
  print(io, options, vm, () => describe(vm));
  return EXIT.ok;
}

export async function start({ args, options, io }: Invocation): Promise<ExitStatus> {
  const vm = await withClient(options, (client) => client.startVm(argument(args)));
  print(io, options, vm, () => `VM ${vm.name} is ${vm.state}.\n`);
  return EXIT.ok;
}

export async function resume({ args, options, io }: Invocation): Promise<ExitStatus> {
  const vm = await withClient(options, (client) => client.resumeVm(argument(args)));
  print(io, options, vm, () => `VM ${vm.name} is ${vm.state}.\n`);
  return EXIT.ok;
}

export async function destroy({ args, options, io }: Invocation): Promise<ExitStatus> {
  const name = argument(args);
  await withClient(options, (client) => client.destroyVm(name));
  print(io, options, { name, destroyed: true }, () => `VM ${name} is gone, its memory overwritten.\n`);
  return EXIT.ok;
}

export async function schema({ io }: Invocation): Promise<ExitStatus> {
  io.out(`${JSON.stringify(vmSpecJsonSchema(), null, 2)}\n`);
  return EXIT.ok;
}

function argument(args: readonly string[]): string {
  return args[0] ?? '';
}

function describe(vm: Vm): string {
  const { spec, ...rest } = vm;
  const lines = Object.entries({ ...rest, ...spec }).map(([key, value]) => [key, plain(value)] as const);
  const width = Math.max(...lines.map(([key]) => key.length));
  return lines.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join('');
}

function plain(value: unknown): string {
  if (value === null) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
