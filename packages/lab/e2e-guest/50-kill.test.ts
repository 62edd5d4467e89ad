import { beforeAll, describe, expect, test } from 'vitest';
import { type Bed, testBed } from './support/bed.ts';
import { exuvia } from './support/exuvia.ts';
import { useGuest } from './support/guests.ts';
import { patchFile } from './support/patches.ts';
import { type Patching, usePatching } from './support/patching.ts';

const KILLED = 137;
/** Every step of an apply at which the tool is killed, and whether the patch is there afterwards. */
const APPLY = [
  ['journal-opened', false],
  ['journal-window', false],
  ['journal-planned', false],
  ['code-written', false],
  ['journal-switching', false],
  ['in-stop', false],
  ['switched', true],
  ['journal-switched', true],
  ['journal-complete', true],
] as const;
const ROLLBACK = [
  ['journal-reverting', 'undecided'],
  ['in-stop', 'undecided'],
  ['reverted', 'gone'],
  ['journal-reverted', 'gone'],
  ['journal-retired', 'gone'],
] as const;

const guest = useGuest({ kernel: '6.12', cpus: 2 });
let bed: Bed;
beforeAll(async () => {
  bed = await testBed();
  await guest().output('(hammer /proc/uptime 0 "." "call" > /tmp/hammer &)');
});

const isPatched = async () => (await guest().output('cat /proc/uptime')).startsWith('uptime call');
const killedAt = (step: string, ...args: readonly string[]) =>
  exuvia(guest(), args, { EXUVIA_GUEST_FAULT: step });
/** The guest runs, and nobody but QEMU's own monitor holds on to it. */
async function expectAsFound(): Promise<void> {
  expect(await guest().output('echo alive')).toBe('alive');
  const before = guest().heartbeat().sequence;
  await expect.poll(() => guest().heartbeat().sequence, { timeout: 30_000 }).toBeGreaterThan(before);
}

/** The patches that are left when nobody is in what was left any more: the hammer may be, for a moment. */
const leftOver = (patching: Patching) =>
  patching.with(async (patches) => {
    expect(await patches.wait({ timeoutMs: 60_000 })).toBe(true);
    return patches.list();
  });

describe.each(APPLY)('killed at %s of an apply', (step, there) => {
  const patching = usePatching(guest);
  test(`the patch is ${there ? 'complete' : 'not there'} after the next start`, async () => {
    const file = await patchFile(bed, '6.12', 'two');
    const { exitCode } = await killedAt(step, 'patch', 'apply', file, '--wait', ...patching.options);
    expect(exitCode).toBe(KILLED);
    await expectAsFound();
    expect((await leftOver(patching)).map(({ state }) => state)).toEqual(there ? ['complete'] : []);
    expect(await isPatched()).toBe(there);
    if (!there) await patching.apply(file);
    expect(await isPatched()).toBe(true);
    await patching.rollback((await patching.list())[0]?.id ?? '');
    expect(await isPatched()).toBe(false);
    expect(await patching.list()).toEqual([]);
  });
});

describe.each(ROLLBACK)('killed at %s of a rollback', (step, fate) => {
  const patching = usePatching(guest);
  test('it is as before, or taken back, never half', async () => {
    const id = await patching.apply(await patchFile(bed, '6.12', 'two'));
    const { exitCode } = await killedAt(step, 'patch', 'rollback', id, '--wait', ...patching.options);
    expect(exitCode).toBe(KILLED);
    await expectAsFound();
    const left = await leftOver(patching);
    expect(await isPatched()).toBe(left.length === 1);
    if (fate === 'gone') expect(left).toEqual([]);
    if (left.length === 1) await patching.rollback(id);
    expect(await isPatched()).toBe(false);
    expect(await patching.list()).toEqual([]);
  });
});

test('meanwhile no call gave a wrong result', async () => {
  expect(guest().heartbeat().errors).toBe(0n);
  expect(await guest().output('cat /tmp/hammer')).toBe('');
});
