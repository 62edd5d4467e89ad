import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble, patchText } from '@exuvia/guest/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../../../testing/run.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-cli-patch-'));
  file = join(folder, 'fix.ko');
});
afterEach(() => rm(folder, { recursive: true }));

const show = (...more: readonly string[]) => run(['guest', 'patch', 'show', file, ...more]);

test('a patch is shown with what it replaces, what it needs and what becomes of its sections', async () => {
  await writeFile(file, await assemble(patchText('call outside\n ret')));
  const { status, out } = await show();
  expect(status).toBe(0);
  expect(out).toContain(
    `${file}: made by exuvia guest patch build for 6.12.1\nreplaces old_function\nneeds outside\n`,
  );
  expect(out).toMatch(/\n\.text +6 +loaded/);
  expect(out).toMatch(/\n\.exuvia\.functions +32 +left out +read here\n/);
  expect(out).toMatch(/\n\nThis patch can be applied\.\n$/);
});

test('what makes a patch unacceptable is listed, all of it, and the status says so', async () => {
  const more = '.section .strange, "a"\n.quad 1\n.section __bug_table, "aw"\n.long new_function - ., 0, 0';
  await writeFile(file, await assemble(patchText('ud2\n ret', more)));
  const { status, out } = await show();
  expect(status).toBe(3);
  expect(out).toMatch(
    /\nThis patch cannot be applied:\n {2}\.strange: nothing is known about such a section, so what it asks for cannot be honoured\n {2}__bug_table\[0\]: the guest would not find it, and the WARN or BUG would be an oops\n$/,
  );
  expect(JSON.parse((await show('--json')).out)).toMatchObject({
    kind: 'exuvia',
    acceptable: false,
    functions: [{ object: 'vmlinux', name: 'old_function', position: 0 }],
    refusals: [
      { section: '.strange', index: null },
      { section: '__bug_table', index: 0 },
    ],
  });
});

test('a file that is no patch, or not there, is named', async () => {
  await writeFile(file, 'no patch');
  expect((await show()).err).toContain(
    `${file} is not a usable patch file: 8 bytes are too few for an ELF header.`,
  );
  await rm(file);
  expect(JSON.parse((await show('--json')).out)).toEqual({
    error: {
      code: 'file-unreadable',
      message: `${file} cannot be read: ENOENT: no such file or directory, open '${file}'.`,
    },
  });
});

test('a build without headers of the kernel says where they are looked for', async () => {
  await writeFile(join(folder, 'fix.c'), '');
  const line = ['guest', 'patch', 'build', join(folder, 'fix.c'), '--kernel', '6.0.0-none', '-o', file];
  const { status, err } = await run([...line, '--headers', folder]);
  expect(status).toBe(3);
  expect(err).toContain(`There are no headers of 6.0.0-none in ${folder}.`);
});
