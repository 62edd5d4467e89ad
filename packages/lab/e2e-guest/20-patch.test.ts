import { beforeAll, describe, expect, test } from 'vitest';
import type { KernelName } from '../src/kernel-guests/index.ts';
import { type Bed, testBed } from './support/bed.ts';
import { refused } from './support/exuvia.ts';
import { useGuest } from './support/guests.ts';
import { kpatchModule, livepatchSample } from './support/modules.ts';
import { patchFile } from './support/patches.ts';
import { usePatching } from './support/patching.ts';

const KERNELS: readonly { kernel: KernelName; cpus: number }[] = [
  { kernel: '6.1', cpus: 2 },
  { kernel: '6.12', cpus: 1 },
  { kernel: '7.2', cpus: 2 },
];

let bed: Bed;
beforeAll(async () => {
  bed = await testBed();
});

describe.each(KERNELS)('$kernel with $cpus CPUs', ({ kernel, cpus }) => {
  const guest = useGuest({ kernel, cpus });
  const patching = usePatching(guest);
  const patch = (name: string, define?: string) => patchFile(bed, kernel, name, define);
  const cat = (path: string) => guest().output(`cat ${path}`);

  test('/proc/version under load: patched, and back', async () => {
    const before = await cat('/proc/version');
    await guest().output('(hammer /proc/version 0 "Linux version" > /tmp/hammer &)');
    const id = await patching.apply(await patch('version'));
    expect(await cat('/proc/version')).toBe('Linux version patched');
    expect(await patching.list()).toMatchObject([
      { id, state: 'complete', functions: [{ name: 'version_proc_show', kind: 'fentry', coveredBy: null }] },
    ]);
    await patching.rollback(id);
    expect(await cat('/proc/version')).toBe(before);
    expect(await patching.list()).toEqual([]);
    await guest().output('kill $(pidof hammer)');
    expect(await cat('/tmp/hammer')).toBe('');
    expect(guest().heartbeat().errors).toBe(0n);
  });

  test('/proc/cmdline, from a variable that is not exported', async () => {
    const before = await cat('/proc/cmdline');
    const id = await patching.apply(await patch('cmdline'));
    expect(await cat('/proc/cmdline')).toBe(`${before} patched`);
    await patching.rollback(id);
    expect(await cat('/proc/cmdline')).toBe(before);
  });

  test('a static function among others of its name', async () => {
    const symbols = await guest().output("grep -E ' (type_show|addr_assign_type_show)$' /proc/kallsyms");
    const addresses = (wanted: string) =>
      symbols.split('\n').flatMap((line) => {
        const [address, , name] = line.split(' ');
        return name === wanted ? [BigInt(`0x${address}`)] : [];
      });
    // It comes from the same source file as a function whose name is unique.
    const [neighbour = 0n] = addresses('addr_assign_type_show');
    const distances = addresses('type_show').map((address) => Math.abs(Number(address - neighbour)));
    const position = distances.indexOf(Math.min(...distances)) + 1;
    expect(distances.length).toBeGreaterThan(5);
    const id = await patching.apply(await patch('position', `#define POSITION ${position}\n`));
    expect(await cat('/sys/class/net/lo/type')).toBe('patched type of lo');
    await patching.rollback(id);
    expect(await cat('/sys/class/net/lo/type')).toBe('772');
  });

  test('a function without fentry: whole instructions move', async () => {
    const before = await cat('/sys/kernel/uevent_seqnum');
    const id = await patching.apply(await patch('no-fentry'));
    expect(await cat('/sys/kernel/uevent_seqnum')).toBe('uevent_seqnum patched');
    expect(await patching.list()).toMatchObject([
      { functions: [{ name: 'kobj_attr_show', kind: 'moved', coveredBy: null }] },
    ]);
    await patching.rollback(id);
    expect(await cat('/sys/kernel/uevent_seqnum')).toBe(before);
  });

  test('two functions with data of their own', async () => {
    const id = await patching.apply(await patch('two'));
    expect(await guest().output('cat /proc/uptime /proc/loadavg /proc/uptime')).toBe(
      'uptime call 101\nloadavg call 102\nuptime call 103',
    );
    await patching.rollback(id);
    expect(await cat('/proc/loadavg')).toMatch(/^[0-9]+\.[0-9]+ /);
    // Applied again, its data begins anew.
    const again = await patching.apply(await patch('two'));
    expect(await cat('/proc/uptime')).toBe('uptime call 101');
    await patching.rollback(again);
  });

  test('stacked patches are taken back from the top only', async () => {
    const below = await patching.apply(await patch('version'));
    const above = await patching.apply(await patch('version-again'));
    expect(await cat('/proc/version')).toBe('Linux version patched again');
    expect(await patching.list()).toMatchObject([
      { id: below, functions: [{ coveredBy: above }] },
      { id: above, functions: [{ coveredBy: null }] },
    ]);
    expect((await refused(guest(), 'patch', 'rollback', below, ...patching.options)).message).toContain(
      above,
    );
    expect(await cat('/proc/version')).toBe('Linux version patched again');
    await patching.rollback(above);
    expect(await cat('/proc/version')).toBe('Linux version patched');
    await patching.rollback(below);
    expect(await patching.list()).toEqual([]);
  });

  test('--replace takes the place of all patches', async () => {
    await patching.apply(await patch('version'));
    await patching.apply(await patch('cmdline'));
    const id = await patching.apply(await patch('version-again'), { replace: true });
    expect(await cat('/proc/version')).toBe('Linux version patched again');
    expect(await cat('/proc/cmdline')).not.toContain('patched');
    expect((await patching.list()).map((one) => one.id)).toEqual([id]);
    await patching.rollback(id);
    expect(await cat('/proc/version')).toContain(guest().kernel.release);
  });

  test("the kernel's livepatch sample, as it is", async () => {
    const before = await cat('/proc/cmdline');
    const id = await patching.apply(await livepatchSample(bed, kernel));
    expect(await cat('/proc/cmdline')).toBe('this has been live patched');
    await patching.rollback(id);
    expect(await cat('/proc/cmdline')).toBe(before);
  });

  test.runIf(kernel === '6.12')('a livepatch module of kpatch-build’s programs', async () => {
    const before = await cat('/proc/version');
    const id = await patching.apply(await kpatchModule(bed));
    expect(await cat('/proc/version')).toBe(`kpatch ${before}`);
    await patching.rollback(id);
    expect(await cat('/proc/version')).toBe(before);
  });
});
