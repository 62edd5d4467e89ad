import { chmod, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findQemu } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/folder.ts';
import { cutLogs, removeLogs } from './logs.ts';
import { makeTestHost, startGuest, type TestHost } from './test-room.ts';
import { tail } from './text-file.ts';

const MIB = 2 ** 20;
/** Two MiB more than a log may have; the end of it differs from the rest. */
const TOO_LONG = Buffer.concat([Buffer.alloc(14 * MIB, 'a'), Buffer.alloc(4 * MIB, 'z')]);

let folder: string;
let logged: [object, string][];
beforeEach(async () => {
  folder = await temporaryFolder();
  logged = [];
});

const log = { warn: (data: object, message: string) => void logged.push([data, message]) };
const path = (name: string) => join(folder, name);
const cut = () => cutLogs(folder, log);
const contentOf = async (name: string) => (await readFile(path(name))).toString('latin1');

test('of a log that is too long the end is kept beside it, with its mode; who writes to it goes on', async () => {
  await writeFile(path('web.console.log'), TOO_LONG);
  await chmod(path('web.console.log'), 0o640);
  const writer = await open(path('web.console.log'), 'a');
  await cut();
  await writer.write('more');
  await writer.close();
  expect(await contentOf('web.console.log')).toBe('more');
  expect(await contentOf('web.console.log.1')).toBe('z'.repeat(4 * MIB));
  expect((await stat(path('web.console.log.1'))).mode & 0o777).toBe(0o640);
  expect(await readdir(folder)).toEqual(['web.console.log', 'web.console.log.1']);
  expect(logged).toEqual([
    [
      { file: path('web.console.log'), bytes: 18 * MIB },
      `A log had become too long: its last 4M are in ${path('web.console.log.1')} now.`,
    ],
  ]);
});

test('what was kept before is replaced, and what is kept is not looked at', async () => {
  await writeFile(path('web.qemu.log'), TOO_LONG);
  await writeFile(path('web.qemu.log.1'), Buffer.alloc(17 * MIB, 'o'));
  await cut();
  await cut();
  expect(await contentOf('web.qemu.log.1')).toBe('z'.repeat(4 * MIB));
  expect(logged).toHaveLength(1);
});

test('a log that is not too long is left alone, and so is a directory that is not there', async () => {
  await writeFile(path('web.console.log'), Buffer.alloc(16 * MIB, 'a'));
  await cut();
  await cutLogs(path('none'), log);
  expect((await stat(path('web.console.log'))).size).toBe(16 * MIB);
  expect(await readdir(folder)).toEqual(['web.console.log']);
  expect(logged).toEqual([]);
});

test('a hole that a log begins with is not counted', async () => {
  const writer = await open(path('web.qemu.log'), 'w');
  await writer.write(TOO_LONG);
  await cut();
  await writer.write('more');
  await writer.close();
  await cut();
  expect((await stat(path('web.qemu.log'))).size).toBe(18 * MIB + 4);
  expect(logged).toHaveLength(1);
});

test('symbolic links and folders are not followed', async () => {
  await writeFile(path('elsewhere'), TOO_LONG);
  await symlink(path('elsewhere'), path('web.console.log'));
  await cut();
  expect((await stat(path('elsewhere'))).size).toBe(18 * MIB);
  expect(logged).toEqual([]);
});

test('a link in the place of what is kept is replaced, not written through', async () => {
  await writeFile(path('elsewhere'), 'mine');
  await symlink(path('elsewhere'), path('web.console.log.1'));
  await writeFile(path('web.console.log'), TOO_LONG);
  await cut();
  expect(await contentOf('elsewhere')).toBe('mine');
  expect(await contentOf('web.console.log.1')).toBe('z'.repeat(4 * MIB));
});

test('nothing is kept of a VM that is gone', async () => {
  const logs = { consoleLog: path('web.console.log'), qemuLog: path('web.qemu.log') };
  await writeFile(logs.consoleLog, TOO_LONG);
  await writeFile(logs.qemuLog, TOO_LONG);
  await cut();
  await removeLogs(logs);
  expect(await readdir(folder)).toEqual([]);
});

test('nothing is kept of a VM whose logs are removed while they are cut', async () => {
  const logs = { consoleLog: path('web.console.log'), qemuLog: path('web.qemu.log') };
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await writeFile(logs.consoleLog, TOO_LONG);
    await Promise.all([cut(), removeLogs(logs)]);
    expect(await readdir(folder)).toEqual([]);
  }
  expect(logged.filter(([, message]) => message.includes('could not be cut'))).toEqual([]);
});

test('the end of a log that was cut since is all of it that is there', async () => {
  await writeFile(path('web.qemu.log'), 'It did not start.\n');
  expect(await tail(path('web.qemu.log'), 18 * MIB)).toBe('It did not start.');
});

const small = await mkdtemp(join(tmpdir(), 'exuvia-full-'));
const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=19m', 'tmpfs', small], {
  allowFailure: true,
}).then(({ exitCode }) => exitCode === 0);
afterAll(async () => {
  if (mounted) await run('umount', [small]);
  await rm(small, { recursive: true });
});

test.skipIf(!mounted)(
  'on a full disk it is emptied all the same (skipped where a small tmpfs cannot be mounted)',
  async () => {
    const file = join(small, 'web.console.log');
    await writeFile(file, TOO_LONG);
    await cutLogs(small, log);
    expect(await readdir(small)).toEqual(['web.console.log']);
    expect((await stat(file)).size).toBe(0);
    expect(logged).toEqual([
      [
        { file, bytes: 18 * MIB, err: expect.objectContaining({ code: 'ENOSPC' }) },
        'A log had become too long and was emptied; its end is lost.',
      ],
    ]);
  },
);

const qemu = await findQemu();
describe.skipIf('missing' in qemu)('the console of a real QEMU', () => {
  let host: TestHost;
  beforeEach(async () => {
    host = await makeTestHost('binary' in qemu ? qemu.binary : '');
  });
  afterEach(() => host.remove());

  test('goes on at the beginning of its log when that was cut', async () => {
    const { consoleLog } = host.dependencies.paths('one');
    await startGuest(host.manager(), host.spec('one'));
    await writeFile(consoleLog, TOO_LONG, { flag: 'a' });
    await cutLogs(dirname(consoleLog), log);
    expect((await stat(`${consoleLog}.1`)).size).toBe(4 * MIB);
    while ((await stat(consoleLog)).size === 0);
    expect(await readFile(consoleLog, 'latin1')).toMatch(/^\.+$/);
  });
});
