import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vmSpecSchema } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchCommand } from './launch.ts';

let directory: string;
let launcher: string;
let ram: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-launch-'));
  launcher = join(directory, 'exuvia-launch');
  ram = join(directory, 'ram');
  await writeFile(ram, '');
  const source = join(import.meta.dirname, '../../../../../native/launch/exuvia-launch.c');
  const warnings = ['-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE'];
  await run('cc', [
    '-O2',
    '-static',
    ...warnings,
    '-I',
    join(source, '../../common'),
    '-o',
    launcher,
    source,
  ]);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const launch = (...args: string[]) => run(launcher, args, { allowFailure: true });
const USAGE =
  'usage: exuvia-launch --lock FILE [--cpus LIST] [--nice N] [--successor-of PID] [--tap TAP]... -- PROGRAM [ARGUMENT]...';

test('the agent gives it the RAM file, the CPUs and the taps, then the command line as it is', () => {
  const command = ['/usr/bin/qemu', '--lock', 'x'];
  const boot = { kernel: '/k' };
  const networks = [{ bridge: 'br0', mac: '52:54:00:00:00:01' }, { user: true }, { bridge: 'br1' }];
  const spec = vmSpecSchema.parse({ name: 'web', memory: '32M', boot, networks });
  expect(launchCommand('/ram', spec, command, { launcher: '/l', config: () => ({ vmCpus: '1-2' }) })).toEqual(
    [
      ...['/l', '--lock', '/ram', '--cpus', '1-2'],
      ...['--tap', 'exv4b5e57f6n0,32,br0,52:54:00:00:00:01'],
      ...['--tap', 'exv4b5e57f6n2,34,br1,52:54:cd:6b:a0:45'],
      ...['--', '/usr/bin/qemu', '--lock', 'x'],
    ],
  );
  const plain = vmSpecSchema.parse({ name: 'web', memory: '32M', boot });
  expect(launchCommand('/ram', plain, command, { launcher: '/l', config: () => ({}) })).toEqual([
    ...['/l', '--lock', '/ram', '--', '/usr/bin/qemu', '--lock', 'x'],
  ]);
});

test('a VM’s own CPUs and nice value go before those of all, and within them', () => {
  const given = (cpuAffinity: string, vmCpus?: string) => {
    const spec = { name: 'web', memory: '32M', boot: { kernel: '/k' }, cpuAffinity, nice: -5 };
    return launchCommand('/ram', vmSpecSchema.parse(spec), ['q'], {
      launcher: '/l',
      config: () => ({ vmCpus }),
    });
  };
  const expected = ['/l', '--lock', '/ram', '--cpus', '2', '--nice', '-5', '--', 'q'];
  expect(given('2', '1-2')).toEqual(expected);
  expect(given('2')).toEqual(expected);
  expect(() => given('0-2', '1-2')).toThrow('CPU 0 of its cpuAffinity is not for VMs.');
});

test('the program has the nice value that it was given', async () => {
  expect((await launch('--lock', ram, '--nice', '7', '--', 'nice')).stdout).toBe('7');
  expect(await launch('--lock', ram, '--nice', '20', '--', 'true')).toEqual({
    stdout: '',
    stderr: "exuvia-launch: '20' is no nice value from -20 to 19",
    exitCode: 64,
  });
});

test('the program gets its arguments and its exit code counts', async () => {
  expect(await launch('--lock', ram, '--', 'sh', '-c', 'echo "$1"; exit 3', 'sh', 'a b')).toEqual({
    stdout: 'a b',
    stderr: '',
    exitCode: 3,
  });
});

test('the lock holds for as long as the program lives, and no longer', async () => {
  const inner = [launcher, '--lock', ram, '--', 'true'].join(' ');
  expect(await launch('--lock', ram, '--', 'sh', '-c', `${inner}; echo $?`)).toEqual({
    stdout: '75',
    stderr: `exuvia-launch: ${ram} is in use: another process runs on it`,
    exitCode: 0,
  });
  expect((await launch('--lock', ram, '--', 'true')).exitCode).toBe(0);
});

test('the program runs on the CPUs of the list', async () => {
  const result = await launch(
    '--lock',
    ram,
    '--cpus',
    '0-0,0',
    '--',
    'grep',
    'Cpus_allowed_list',
    '/proc/self/status',
  );
  expect(result.stdout).toBe('Cpus_allowed_list:\t0');
});

test.each(['', 'x', '1-', '2-1', '1,,2', '1,', '-1', '0x1', '99999', '1 2'])(
  'the CPU list %j is refused',
  async (list) => {
    expect(await launch('--lock', ram, '--cpus', list, '--', 'true')).toEqual({
      stdout: '',
      stderr: `exuvia-launch: '${list}' is no list of CPUs such as 1-3,6`,
      exitCode: 64,
    });
  },
);

test('CPUs that the machine does not have are refused', async () => {
  expect(await launch('--lock', ram, '--cpus', '8000', '--', 'true')).toMatchObject({
    stderr: 'exuvia-launch: CPUs 8000: Invalid argument',
    exitCode: 71,
  });
});

test('a RAM file that is missing, or a symbolic link, is not locked', async () => {
  const link = join(directory, 'link');
  await symlink(ram, link);
  expect(await launch('--lock', `${ram}.none`, '--', 'true')).toMatchObject({
    stderr: `exuvia-launch: ${ram}.none: No such file or directory`,
    exitCode: 66,
  });
  expect(await launch('--lock', link, '--', 'true')).toMatchObject({
    stderr: `exuvia-launch: ${link}: Too many levels of symbolic links`,
    exitCode: 66,
  });
});

test('a program that does not exist, or is none, is told', async () => {
  expect(await launch('--lock', ram, '--', '/no/such/program')).toMatchObject({
    stderr: 'exuvia-launch: /no/such/program: No such file or directory',
    exitCode: 127,
  });
  expect(await launch('--lock', ram, '--', ram)).toMatchObject({
    stderr: `exuvia-launch: ${ram}: Permission denied`,
    exitCode: 126,
  });
});

test.each([
  [[]],
  [['--lock']],
  [['--lock', 'f']],
  [['--lock', 'f', '--']],
  [['--', 'true']],
  [['--what', 'f', '--', 'true']],
  [['--lock', 'f', '--tap', 'exv0,32,br0', '--', 'true']],
  [['--lock', 'f', '--tap', 'exv0,2,br0,52:54:00:00:00:01', '--', 'true']],
  [['--lock', 'f', '--tap', 'exv0,64,br0,52:54:00:00:00:01', '--', 'true']],
  [['--lock', 'f', '--tap', 'exv0,32,br0,52:54:00:00:01', '--', 'true']],
  [['--lock', 'f', '--tap', 'exv0,32,br0,52:54:00:00:00:01:02', '--', 'true']],
])('wrong usage %j', async (args) => {
  expect(await launch(...args)).toEqual({ stdout: '', stderr: USAGE, exitCode: 64 });
});
