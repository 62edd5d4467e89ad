import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../testing/folder.ts';
import { fateOfLivepatch } from './livepatches.ts';

/** A folder with the modules of kernel 7.2, one of which is the livepatch, with this version magic. */
async function kernelWith(vermagic: string | null): Promise<string> {
  const root = await temporaryFolder();
  const base = join(root, 'lib/modules/7.2');
  await mkdir(base, { recursive: true });
  await writeFile(join(base, 'modules.dep'), 'livepatch-x.ko:\n');
  const entry = vermagic === null ? 'license=GPL' : `license=GPL\\0vermagic=${vermagic} SMP preempt`;
  const source = join(root, 'module.c');
  await writeFile(source, `const char info[] __attribute__((section(".modinfo"))) = "${entry}";\n`);
  await run('gcc', ['-c', '-o', join(base, 'livepatch-x.ko'), source]);
  return root;
}

const fate = async (root: string) => fateOfLivepatch('livepatch_x', '7.2', false, root);

test('a livepatch is carried only into a kernel that its module is built for', async () => {
  expect(await fate(await kernelWith('7.2'))).toMatchObject({ carried: true });
  const other = await fate(await kernelWith('6.12'));
  expect(other).toMatchObject({
    carried: false,
    reason: expect.stringContaining('built for 6.12, not for 7.2'),
  });
  const unknown = await fate(await kernelWith(null));
  expect(unknown).toMatchObject({
    carried: false,
    reason: expect.stringContaining('built for an unknown kernel, not for 7.2'),
  });
});

test('one without a module there is not; one whose kernel runs on stays', async () => {
  const root = await temporaryFolder();
  expect(await fate(root)).toMatchObject({ carried: false, reason: expect.stringContaining('no module') });
  expect(await fateOfLivepatch('livepatch_x', '7.2', true, root)).toMatchObject({ carried: true });
});
