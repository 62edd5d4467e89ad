import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { TEST_PLAN } from '../journal/records.testing.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { createPlanStore, newPlanId } from './store.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});

test('an id names the time at which the plan was made', () => {
  expect(newPlanId(new Date('2026-11-21T10:02:03.456Z'))).toMatch(/^20261121-100203-[0-9a-f]{4}$/);
});

test('a plan is read as it was written', async () => {
  const plan = { ...TEST_PLAN, id: '20261121-100203-abcd' };
  const store = createPlanStore(folder);
  await store.write(plan);
  expect(await store.read(plan.id)).toEqual(plan);
});

test.each(['20261121-100203-ffff', '../../etc/passwd', 'u1'])('there is no plan %s', async (id) => {
  await expect(createPlanStore(folder).read(id)).rejects.toMatchObject({
    code: 'plan-unknown',
    message: `There is no plan ${id}.`,
  });
});

test.each([
  ['nonsense', 'is not JSON.'],
  ['{}', 'is no plan: version Invalid input: expected 1.'],
])('a damaged plan (%s) is named', async (content, problem) => {
  const id = '20261121-100203-abcd';
  await mkdir(join(folder, id));
  await writeFile(join(folder, id, 'plan.json'), content);
  await expect(createPlanStore(folder).read(id)).rejects.toMatchObject({
    code: 'plan-invalid',
    message: `${join(folder, id, 'plan.json')} ${problem}`,
  });
});

test('old plans that nobody executed are removed, updates never', async () => {
  const store = createPlanStore(folder);
  for (const id of ['20261101-000000-aaaa', '20261102-000000-bbbb', '20261121-000000-cccc']) {
    await store.write({ ...TEST_PLAN, id });
  }
  await mkdir(join(folder, 'not-a-plan'));
  await store.prune(new Date('2026-11-20T00:00:00Z'), (id) => id === '20261102-000000-bbbb');
  expect((await readdir(folder)).sort()).toEqual([
    '20261102-000000-bbbb',
    '20261121-000000-cccc',
    'not-a-plan',
  ]);
});

test('what somebody executed leaves more than a plan, and stays even when the journal does not know it', async () => {
  const store = createPlanStore(folder);
  const id = '20261101-000000-aaaa';
  await store.write({ ...TEST_PLAN, id });
  await mkdir(join(folder, id, 'memory'));
  await store.prune(new Date('2026-11-20T00:00:00Z'), () => false);
  expect((await readdir(join(folder, id))).sort()).toEqual(['memory', 'plan.json']);
});
