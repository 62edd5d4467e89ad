import { access, mkdir, open, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { beforeEach, expect, test } from 'vitest';
import type { Store } from '../../kinds.ts';
import { pmem, RECORD, STORE, TestHost } from './host.testing.ts';
import { createDaxStore } from './store.ts';

let host: TestHost;
let store: Store;

beforeEach(async () => {
  host = new TestHost(await temporaryDirectory());
  host.record = { ...RECORD, state: 'ready' };
  host.list = [pmem(0)];
  host.contents.set('/dev/pmem0', STORE);
  host.kexec = true;
  await remember('web', 'web in memory');
  await remember('db', 'db in memory');
  await opened();
});

/** A VM's memory: of one word, all over. */
async function remember(name: string, word: string): Promise<void> {
  await mkdir(join(host.mountPoint, 'vms', name), { recursive: true });
  await writeFile(join(host.mountPoint, 'vms', name, 'ram'), Buffer.alloc(2 ** 21, word));
}

async function opened(): Promise<void> {
  store = createDaxStore(host);
  await store.open();
}

/** Another boot finds the store. */
async function boot(kexec = false): Promise<void> {
  host.mounted = [];
  host.opened = false;
  host.kexec = kexec;
  host.boot = `${host.boot}+`;
  await opened();
}

/** A little of what is free, and memory of VMs that wait elsewhere. */
async function mark(...names: string[]): Promise<void> {
  await fill();
  await store.completeMark(names);
}

async function fill(): Promise<void> {
  const { bavail, bsize } = await statfs(host.mountPoint);
  const { signal } = new AbortController();
  await store.markForReset({ keepFree: bavail * bsize - 2 ** 23, signal });
}

const ramOf = (name: string) => join(host.mountPoint, 'vms', name, 'ram');
const pattern = () => join(host.mountPoint, 'reset-pattern');

const reason = async () => (await store.resets()).reason;

test('nothing is assumed of a machine that no update has restarted', async () => {
  expect(await store.resets()).toEqual({
    outlives: false,
    reason: 'No update by reboot has shown yet that memory outlives a restart of this machine.',
  });
  await boot();
  expect((await store.resets()).outlives).toBe(false);
});

test('memory that was whole after a restart outlives the next one, too', async () => {
  await mark('web', 'db');
  expect((await store.resets()).outlives).toBe(false);
  await boot();
  expect((await store.resets()).outlives).toBe(true);
  expect(await reason()).toMatch(/^It was whole after the last update by reboot/);
});

test('it is looked at before a store without saved VMs is made anew', async () => {
  await mark('web');
  await boot();
  expect(host.done.at(-2)).toBe('format /dev/pmem0');
  expect((await store.resets()).outlives).toBe(true);
});

test.each<[string, () => Promise<void>]>([
  ['one VM’s memory', () => overwrite(ramOf('db'))],
  ['what was free', () => overwrite(pattern())],
])('%s of which a byte is not what it was is enough', async (_, happens) => {
  await mark('web', 'db');
  await happens();
  await boot();
  expect(await store.resets()).toMatchObject({ outlives: false });
  expect(await reason()).toContain('was not whole');
});

async function overwrite(path: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.write('X', 2 ** 20 + 4711);
  await file.close();
}

test('VMs that wait in the store are looked at when they are taken up, and the store with them', async () => {
  await host.save('web');
  await mark();
  await boot();
  expect(await reason()).toContain('could not be found out');
  await store.judgeReset(true);
  expect((await store.resets()).outlives).toBe(true);
  await mark();
  await boot();
  await store.judgeReset(false);
  expect(await reason()).toContain('was not whole');
  await expect(access(pattern())).rejects.toThrow();
});

test('what fills the store is gone when the restart does not come, or has come', async () => {
  await mark('web');
  expect((await stat(pattern())).size).toBeGreaterThan(2 ** 22);
  await store.forgetReset();
  await expect(access(pattern())).rejects.toThrow();
  await mark('web');
  await boot(true);
  await expect(access(pattern())).rejects.toThrow();
});

test.each<[string, () => void, string]>([
  ['is gone', () => host.contents.set('/dev/pmem0', null), 'was not whole'],
  ['is not sound', () => (host.sound = false), 'was not whole'],
  ['was found by another firmware', () => (host.bios = 'Some Inc. 2.0'), 'are others'],
])('a store that %s after a restart does not outlive the next one', async (_, happens, why) => {
  await mark('web');
  happens();
  await boot();
  expect(await reason()).toContain(why);
});

test.each<[string, () => void, string]>([
  ['another firmware', () => (host.bios = 'Some Inc. 2.0'), 'are others'],
  [
    'a firmware that is to clear memory',
    () => (host.resetProblem = 'All memory will be cleared.'),
    'All memory will be cleared.',
  ],
])('what was seen does not count for %s', async (_, happens, why) => {
  await mark('web');
  await boot();
  happens();
  expect((await store.resets()).outlives).toBe(false);
  expect(await reason()).toContain(why);
});

test('a kexec says nothing of a restart; neither does a restart that did not come', async () => {
  await mark('web');
  await boot(true);
  expect(await reason()).toContain('No update by reboot has shown');
  await mark('web');
  await store.forgetReset();
  await boot();
  expect(await reason()).toContain('No update by reboot has shown');
});

test('an agent that starts again in the same boot leaves the mark for the next', async () => {
  await mark('web');
  host.mounted = [];
  await opened();
  await boot();
  expect((await store.resets()).outlives).toBe(true);
});

test('a damaged record says nothing', async () => {
  await mark('web');
  await boot();
  host.reset = '{"version":1,"found":';
  expect(await reason()).toContain('No update by reboot has shown');
});

test('a mark that was not completed shows nothing, and leaves nothing behind', async () => {
  await fill();
  await boot();
  expect(await reason()).toContain('No update by reboot has shown');
  await fill();
  host.reset = null;
  await boot(true);
  await expect(access(pattern())).rejects.toThrow();
});
