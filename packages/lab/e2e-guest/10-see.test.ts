import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { KernelGuestOptions } from '../src/kernel-guests/index.ts';
import { exuvia, said, told } from './support/exuvia.ts';
import { useGuest } from './support/guests.ts';

const GIB = 2 ** 30;
const MACHINES: readonly KernelGuestOptions[] = [
  { kernel: '6.1', cpus: 1, levels: 4, memoryBytes: 5 * GIB },
  { kernel: '6.12', cpus: 2, levels: 5, memoryBytes: 5 * GIB },
  { kernel: '7.2', cpus: 2, levels: 4, memoryBytes: 5 * GIB },
  { kernel: '7.2', cpus: 1, levels: 5, memoryBytes: GIB / 2 },
];

describe.each(MACHINES)('$kernel, $cpus CPUs, $levels levels, $memoryBytes bytes', (options) => {
  const guest = useGuest(options);

  test('inspect says what the guest knows of itself', async () => {
    const { release } = guest().kernel;
    const version = await guest().output('cat /proc/version');
    const symbols = await guest().output("grep -cv '\\[' /proc/kallsyms");
    const text = await guest().output("grep ' T _text$' /proc/kallsyms | cut -d' ' -f1");
    const modules = await guest().output("lsmod | tail -n +2 | cut -d' ' -f1");
    const buildId = await guest().output(
      "hexdump -v -e '1/1 \"%02x\"' /sys/kernel/notes | grep -o '474e5500[0-9a-f]\\{40\\}' | cut -c9-48",
    );
    const document = (await told(guest(), 'inspect')) as {
      version: string;
      slide: string;
      modules: { name: string }[];
    };
    expect(document).toMatchObject({
      release,
      buildId,
      pagingLevels: options.levels,
      cpus: options.cpus,
      symbols: Number(symbols),
      text: `0x${text}`,
    });
    expect(version).toContain(document.version);
    expect(BigInt(`0x${text}`) - BigInt(document.slide)).toBe(0xffffffff81000000n);
    expect(document.modules.map(({ name }) => name).sort()).toEqual(modules.split('\n').sort());
  });

  test('every symbol has the name, the address and the type that /proc/kallsyms gives it', async () => {
    const listed = (await told(guest(), 'symbols', '*', '--limit', '1000000')) as {
      address: string;
      type: string;
      name: string;
      object: string;
    }[];
    const outside = listed.filter(({ object }) => object === 'vmlinux');
    const lines = outside.map(
      ({ address, type, name }) => `${address.slice(2).padStart(16, '0')} ${type} ${name}\n`,
    );
    const inside = await guest().output("grep -v '\\[' /proc/kallsyms | md5sum | cut -d' ' -f1");
    expect(createHash('md5').update(lines.join('')).digest('hex')).toBe(inside);
  });

  test('tasks are those of /proc, and the idle threads', async () => {
    const shown = (await told(guest(), 'tasks')) as { pid: number; tgid: number; comm: string }[];
    const own = shown.filter(({ pid, tgid }) => pid === tgid && pid > 0 && pid < 60);
    const lines = await guest().output(
      'for p in $(ls /proc | grep "^[0-9]*$" | sort -n); do [ $p -lt 60 ] && echo $p; done; true',
    );
    expect(own.map(({ pid }) => String(pid))).toEqual(lines.split('\n'));
    expect(shown.filter(({ pid }) => pid === 0).map(({ comm }) => comm)).toEqual(
      Array.from({ length: options.cpus ?? 1 }, (_, cpu) => `swapper/${cpu}`),
    );
  });

  test('the stack of a thread that sleeps in pause(2) is that of /proc/PID/stack', async () => {
    await guest().output('sleeper > /dev/null & while [ "$(cat /proc/$!/wchan)" = 0 ]; do :; done');
    const pid = await guest().output('pidof sleeper');
    const inside = await guest().output(`sed 's/.* //; s/+.*//' /proc/${pid}/stack`);
    const shown = await said(guest(), 'stack', pid);
    const outside = [...shown.matchAll(/^ +0x[0-9a-f]+ +([\w.]+)\+/gm)].map(([, name]) => name);
    const expected = inside.split('\n');
    expect(outside.slice(-expected.length)).toEqual(expected);
    expect(outside).toContain('__do_sys_pause');
    await guest().output(`kill -USR1 ${pid}`);
  });

  test('variables are read as their types say', async () => {
    expect(await said(guest(), 'read', 'init_task.comm')).toBe('(char[16]) "swapper/0"');
    const release = await guest().output('uname -r');
    expect(await said(guest(), 'read', 'init_uts_ns.name.release')).toContain(`"${release}"`);
  });

  test('dmesg shows the messages that the guest itself shows', async () => {
    await guest().output('echo "a message of the test" > /dev/kmsg');
    const inside = await guest().output("dmesg | sed 's/^\\[[^]]*\\] //'");
    const outside = (await said(guest(), 'dmesg')).trimEnd().replaceAll(/^\[[^\]]*\] /gm, '');
    expect(outside).toBe(inside);
  });

  test('a name that is not there is refused by name', async () => {
    const { exitCode, stderr } = await exuvia(guest(), ['read', 'there_is_no_such_variable']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('there_is_no_such_variable');
  });
});
