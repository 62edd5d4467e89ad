import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '@exuvia/sys';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { monotonicMs } from './clock.ts';
import { Observer } from './observer.ts';

const MIB = 2 ** 20;
const NATIVE = join(import.meta.dirname, '../../../../native');
const BOOT_ID = '0e0f1a2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b';

let folder: string;
let writer: string;
let file: string;
let children: ChildProcess[];
let observer: Observer | undefined;

beforeAll(async () => {
  folder = await mkdtemp('/dev/shm/exuvia-observer-');
  writer = join(folder, 'writer');
  const source = join(import.meta.dirname, 'testing/heartbeat-writer.c');
  const include = ['-I', join(NATIVE, 'guest'), '-I', join(NATIVE, 'common')];
  await run('cc', ['-D_GNU_SOURCE', '-O2', ...include, '-o', writer, source, '-lpthread']);
  return () => rm(folder, { recursive: true });
});

beforeEach(async () => {
  children = [];
  file = join(folder, 'ram');
  const handle = await open(file, 'w');
  await handle.truncate(16 * MIB);
  await handle.close();
});

afterEach(async () => {
  await observer?.stop();
  for (const child of children) await end(child);
});

function beat(
  name: string,
  offset: number,
  options: { bootId?: string; sequence?: number } = {},
): ChildProcess {
  const { bootId = BOOT_ID, sequence = 1 } = options;
  const child = spawn(writer, [file, String(offset), name, bootId, String(sequence)], { stdio: 'inherit' });
  children.push(child);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

function observe(...names: string[]): Observer {
  observer = new Observer({ file, extents: [{ offset: 4 * MIB, size: 8 * MIB }], names });
  return observer;
}

test('a guest that stood still has a gap as long as that', async () => {
  const child = beat('tiny', 5 * MIB);
  const seen = observe('tiny');
  await seen.waitForBeats(10_000);
  const { now: from } = await seen.peek();
  const before = monotonicMs();
  child.kill('SIGSTOP');
  await sleep(20);
  const stopped = monotonicMs();
  await sleep(400);
  const resumed = monotonicMs();
  child.kill('SIGCONT');
  await seen.waitForBeats(10_000, 400);
  const after = monotonicMs();
  const { vms } = await seen.observation(from);
  expect(vms).toMatchObject([{ name: 'tiny', bootIdSame: true, sequenceMonotonic: true, integrity: 'ok' }]);
  expect(vms[0]?.blackoutMs).toBeGreaterThanOrEqual(resumed - stopped);
  expect(vms[0]?.blackoutMs).toBeLessThanOrEqual(after - before);
  expect(Math.max(...(vms[0]?.gaps ?? []).map(([, gap]) => gap))).toBe(vms[0]?.blackoutMs);
});

test('every VM is found by its name, a page of another is ignored', async () => {
  beat('tiny', 5 * MIB);
  beat('busy', 7 * MIB + 4096);
  beat('other', 8 * MIB);
  const seen = observe('tiny', 'busy');
  await seen.waitForBeats(10_000);
  expect((await seen.peek()).vms.map((vm) => vm.name)).toEqual(['tiny', 'busy']);
});

test('a guest that began anew has another boot id, and its numbers are not increasing', async () => {
  const first = beat('tiny', 5 * MIB, { sequence: 5000 });
  const seen = observe('tiny');
  const { now: from } = await seen.peek();
  await seen.waitForBeats(10_000);
  await end(first);
  beat('tiny', 5 * MIB, { bootId: BOOT_ID.replace('0e0f', 'ffff') });
  await seen.waitForBeats(10_000);
  const { vms } = await seen.observation(from);
  expect(vms).toMatchObject([{ bootIdSame: false, sequenceMonotonic: false }]);
});

test('a VM whose memory moved is found again, and its numbers go on', async () => {
  const first = beat('tiny', 5 * MIB);
  const seen = observe('tiny');
  await seen.waitForBeats(10_000);
  const { now: from } = await seen.peek();
  await end(first);
  beat('tiny', 9 * MIB, { sequence: 1_000_000 });
  await seen.waitForBeats(30_000);
  const { vms } = await seen.observation(from);
  expect(vms).toMatchObject([{ bootIdSame: true, sequenceMonotonic: true }]);
});

test('a VM that does not beat is named', async () => {
  beat('tiny', 5 * MIB);
  const seen = observe('tiny', 'disk');
  await expect(seen.waitForBeats(500)).rejects.toMatchObject({
    code: 'heartbeat-missing',
    message: 'No heartbeat came from disk within 0.5 s.',
  });
});
