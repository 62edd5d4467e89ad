import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bed, testBed } from './support/bed.ts';
import { exuvia, refused, said, told } from './support/exuvia.ts';
import { useGuest } from './support/guests.ts';
import { livepatchSample } from './support/modules.ts';
import { patchFile } from './support/patches.ts';
import { usePatching } from './support/patching.ts';

const TRACING = '/sys/kernel/tracing';

const bed: Bed = await testBed();
const sample = await livepatchSample(bed, '6.12');
const guest = useGuest({ kernel: '6.12', files: [{ path: 'livepatch-sample.ko', source: sample }] });
const patching = usePatching(guest);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-refusals-'));
  await guest().output(`mount -t tracefs tracefs ${TRACING}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const applying = async (file: string) =>
  refused(guest(), 'patch', 'apply', file, '--wait', ...patching.options);
/** Nothing of what was refused is left in the guest. */
async function expectUntouched(): Promise<void> {
  expect(await patching.list()).toEqual([]);
  expect(await guest().output('cat /proc/version')).toContain(guest().kernel.release);
}

describe('a patch', () => {
  test.each([
    ['ambiguous', 'guest-symbol-ambiguous', /There are [0-9]+ symbols type_show in the kernel/],
    [
      'missing-function',
      'guest-symbol-missing',
      /There is no symbol there_is_no_such_function in the kernel/,
    ],
    ['missing-symbol', 'guest-symbol-missing', /There is no symbol there_is_no_such_symbol/],
    [
      'fault',
      'patch-refused',
      /__ex_table\[0\]: the guest would not find it, and the fault that it catches would be an oops/,
    ],
    [
      'warning',
      'patch-refused',
      /__bug_table\[0\]: the guest would not find it, and the WARN or BUG would be an oops/,
    ],
    ['static-key', 'patch-refused', /__jump_table\[0\]: the guest would not switch this static key/],
    ['per-cpu', 'patch-refused', /\.data\.\.percpu: a patch cannot have per-CPU variables of its own/],
    ['init', 'patch-refused', /\.init\.text: initialisation code of a patch is not run/],
  ] as const)('%s is refused by name', async (name, code, message) => {
    const error = await applying(await patchFile(bed, '6.12', `refused/${name}`));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    await expectUntouched();
  });

  test('for another kernel is refused with both names', async () => {
    const { release } = bed.kernels.kernels['6.1'];
    expect(await applying(await patchFile(bed, '6.1', 'version'))).toMatchObject({
      code: 'patch-kernel-mismatch',
      message: expect.stringContaining(
        `was built for ${release}, and the guest runs ${guest().kernel.release}`,
      ),
    });
  });

  test.each([
    ['no ELF', Buffer.from('this is no patch'), 'patch-elf-invalid'],
    ['empty', Buffer.alloc(0), 'patch-elf-invalid'],
  ])('that is %s is refused', async (name, bytes, code) => {
    const file = join(folder, `${name.replaceAll(' ', '-')}.ko`);
    await writeFile(file, bytes);
    expect(await applying(file)).toMatchObject({ code, message: expect.stringContaining(file) });
  });
});

describe('a function that somebody else in the guest has changed', () => {
  test('by tracing is refused', async () => {
    await guest().output(
      `cd ${TRACING} && echo version_proc_show > set_ftrace_filter && echo function > current_tracer`,
    );
    expect(await applying(await patchFile(bed, '6.12', 'version'))).toMatchObject({
      code: 'guest-site-refused',
      message: expect.stringMatching(/^version_proc_show is traced: its entry calls /),
    });
    await guest().output(`cd ${TRACING} && echo nop > current_tracer && echo > set_ftrace_filter`);
    await expectUntouched();
  });

  // At a function's entry a kprobe is a call of ftrace's as well; elsewhere it is an int3 (head.test.ts).
  test('by a kprobe is refused', async () => {
    await guest().output(
      `cd ${TRACING} && echo 'p:ours version_proc_show' > kprobe_events && echo 1 > events/kprobes/ours/enable`,
    );
    expect(await applying(await patchFile(bed, '6.12', 'version'))).toMatchObject({
      code: 'guest-site-refused',
      message: expect.stringMatching(/^version_proc_show is traced: its entry calls /),
    });
    await guest().output(`cd ${TRACING} && echo 0 > events/kprobes/ours/enable && echo > kprobe_events`);
    await expectUntouched();
  });

  test('by a livepatch is refused', async () => {
    await guest().output('insert /livepatch-sample.ko');
    expect(await guest().output('cat /proc/cmdline')).toBe('this has been live patched');
    expect(await applying(await patchFile(bed, '6.12', 'cmdline'))).toMatchObject({
      code: 'guest-site-refused',
      message: 'cmdline_proc_show is livepatched by the guest itself.',
    });
    await expectUntouched();
  });
});

test('an id that there is not is refused, and those that there are said', async () => {
  const id = await patching.apply(await patchFile(bed, '6.12', 'version'));
  expect(await refused(guest(), 'patch', 'rollback', 'nothing', ...patching.options)).toMatchObject({
    code: 'guest-patch-unknown',
    message: 'The guest has no patch nothing.',
    hint: `It has: ${id}.`,
  });
  expect(
    await refused(guest(), 'patch', 'apply', join(folder, 'absent.ko'), ...patching.options),
  ).toMatchObject({
    code: 'file-unreadable',
  });
});

test('a guest that was booted again has lost its patches, and that is said', async () => {
  expect(await guest().output('cat /proc/version')).toBe('Linux version patched');
  const before = guest().heartbeat().bootId;
  await guest().reboot();
  expect(guest().heartbeat().bootId).not.toBe(before);
  expect(await told(guest(), 'patch', 'list', ...patching.options)).toMatchObject({
    patches: [],
    findings: [{ kind: 'guest-restarted', ids: ['version'], wasRelease: guest().kernel.release }],
  });
  expect(await guest().output('cat /proc/version')).toContain(guest().kernel.release);
  const id = await patching.apply(await patchFile(bed, '6.12', 'version'));
  await patching.rollback(id);
});

test('every command works as its help says', async () => {
  const built = join(folder, 'built.ko');
  const source = join(import.meta.dirname, 'patches/version.c');
  const { release } = guest().kernel;
  await said(null, 'patch', 'build', source, '--kernel', release, '--headers', bed.root.root, '-o', built);
  expect(await said(null, 'patch', 'show', built)).toMatch(
    /replaces version_proc_show[\s\S]*This patch can be applied\./,
  );
  expect(await said(guest(), 'patch', 'apply', built, '--wait', ...patching.options)).toMatch(
    /^built: 1 function switched in a stop of [0-9.]+ ms[\s\S]*-> complete/,
  );
  expect(await said(guest(), 'patch', 'list', ...patching.options)).toMatch(
    /built +complete +version_proc_show/,
  );
  expect(await said(guest(), 'inspect', ...patching.options)).toContain('built');
  expect(await said(guest(), 'patch', 'rollback', 'built', '--wait', ...patching.options)).toMatch(
    /^built: /,
  );
  expect(await said(guest(), 'patch', 'reconcile', ...patching.options)).toBe('The guest has no patches.');
  expect((await exuvia(null, ['patch', 'show', join(folder, 'absent.ko')])).exitCode).toBe(3);
});
