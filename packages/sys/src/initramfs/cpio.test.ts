import { expect, test } from 'vitest';
import { run } from '../process/run.ts';
import { CONSOLE_ENTRY, cpioArchive } from './cpio.ts';

const ENTRIES = [
  { type: 'file', path: 'init', mode: 0o755, data: Buffer.from('#!/bin/x\n') },
  CONSOLE_ENTRY,
  { type: 'symlink', path: 'lib/a/link', target: '../b' },
  { type: 'file', path: 'lib/b', data: Buffer.alloc(5000, 7) },
  { type: 'directory', path: 'proc' },
] as const;

test('an archive has the bytes that the newc format asks for', () => {
  const archive = cpioArchive([{ type: 'file', path: 'a', data: Buffer.from('hello') }]);
  expect(archive.length).toBe(512);
  expect(archive.toString('latin1').replace(/\0+$/, '')).toBe(
    // inode, mode 0100644, uid, gid, links, mtime, size, device, rdevice, name size, check
    '0707010000000' +
      '1000081a400000000000000000000000100000000000000050000000000000000000000000000000000000002' +
      '00000000a\0hello\0\0\0' +
      '07070100000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000b' +
      '00000000TRAILER!!!',
  );
});

test('equal entries give equal bytes', () => {
  expect(cpioArchive(ENTRIES).equals(cpioArchive(ENTRIES))).toBe(true);
});

test('a parent that is given itself comes before its content and keeps its mode', () => {
  const names = cpioArchive([
    { type: 'file', path: 'd/x', data: Buffer.alloc(0) },
    { type: 'directory', path: 'd', mode: 0o700 },
  ])
    .toString('latin1')
    .match(/0707010000000\d(\w{8})/g);
  expect(names?.map((name) => name.slice(-8))).toEqual(['000041c0', '000081a4', '00000000']);
});

const cpio = await run('cpio', ['--version'], { allowFailure: true }).catch(() => null);

test.skipIf(cpio === null)('the cpio program reads the archive back', async () => {
  const listing = await run('cpio', ['-tv', '--quiet'], { input: cpioArchive(ENTRIES) });
  expect(listing.stdout.split('\n').map((line) => [line.slice(0, 10), line.split(/\s+/).at(-1)])).toEqual([
    ['-rwxr-xr-x', 'init'],
    ['drwxr-xr-x', 'dev'],
    ['crw-------', 'dev/console'],
    ['drwxr-xr-x', 'lib'],
    ['drwxr-xr-x', 'lib/a'],
    ['lrwxrwxrwx', '../b'],
    ['-rw-r--r--', 'lib/b'],
    ['drwxr-xr-x', 'proc'],
  ]);
});
