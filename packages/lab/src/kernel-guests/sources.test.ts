import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { patchFromSource } from './sources.ts';

const SOURCE = `#include <linux/one.h>
#include "private.h"
#define walk(x) { \\
	int i; \\
	for (i = 0; i < (x); i++)
#define end_walk }

static int helper(int count);

static int helper(int count)
{
	return count;
}

int shown(struct thing *thing,
	  int count)
{
	walk(count) {
		helper(i);
	} end_walk
	return 0;
}
EXPORT_SYMBOL(shown);

int other(void)
{
	return 1;
}
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-sources-'));
  await writeFile(join(folder, 'file.c'), SOURCE);
});
afterEach(() => rm(folder, { recursive: true }));

test('a patch has the functions that are wanted, what they need, and nothing else', async () => {
  const text = await patchFromSource(folder, {
    file: 'file.c',
    functions: ['shown'],
    helpers: ['helper'],
    macros: ['walk', 'end_walk'],
    declarations: 'extern int declared;',
  });
  expect(text).toBe(`#include <linux/one.h>
extern int declared;
#define walk(x) { \\
	int i; \\
	for (i = 0; i < (x); i++)
#define end_walk }
static int helper(int count)
{
	return count;
}
static int fixed_shown(struct thing *thing,
	  int count)
{
	walk(count) {
		helper(i);
	} end_walk
	return 0;
}
EXUVIA_REPLACE(shown, fixed_shown);
`);
});

test('a function that the source does not have is named', async () => {
  await expect(patchFromSource(folder, { file: 'file.c', functions: ['absent'] })).rejects.toMatchObject({
    code: 'source-changed',
    message: "file.c of the kernel's source has no absent of the known form.",
  });
});
