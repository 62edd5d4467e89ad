import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

test('work for one VM is done in the order in which it was asked for, also after a failure', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take('a', async () => {
    await gate.promise;
    seen.push('first');
    throw new Error('no');
  });
  const second = turns.take('a', async () => {
    seen.push('second');
    return 2;
  });
  await turns.take('b', async () => void seen.push('other VM'));
  gate.resolve();
  await expect(first).rejects.toThrow('no');
  expect(await second).toBe(2);
  expect(seen).toEqual(['other VM', 'first', 'second']);
});
