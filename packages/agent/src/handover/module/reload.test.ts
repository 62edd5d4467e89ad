import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/folder.ts';
import { unloadOrder, untilUnused } from './reload.ts';

/** /sys/module as Linux has it: a directory a module, with a directory of those that use it. */
async function sysModule(modules: Readonly<Record<string, readonly string[]>>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, holders] of Object.entries(modules)) {
    await mkdir(join(folder, name, 'holders'), { recursive: true });
    await writeFile(join(folder, name, 'initstate'), 'live\n');
    for (const holder of holders) await writeFile(join(folder, name, 'holders', holder), '');
  }
  return folder;
}

const LOADED = { kvm: ['kvm_amd'], kvm_amd: [], irqbypass: ['kvm'], vhost_net: [] };

test.each([
  [['kvm_amd'], ['kvm_amd']],
  [['kvm'], ['kvm_amd', 'kvm']],
  [
    ['irqbypass', 'vhost-net'],
    ['kvm_amd', 'kvm', 'irqbypass', 'vhost_net'],
  ],
  [
    ['kvm', 'kvm-amd'],
    ['kvm_amd', 'kvm'],
  ],
  [['kvm_intel'], []],
])('to unload %j, these are unloaded: %j', async (names, order) => {
  expect(await unloadOrder(names, await sysModule(LOADED))).toEqual(order);
});

test('a module that is still held a moment after its users have ended is waited for, but not for ever', async () => {
  const folder = await sysModule(LOADED);
  const references = join(folder, 'kvm_amd', 'refcnt');
  await writeFile(references, '2\n');
  expect(await untilUnused('kvm_amd', 20, folder)).toBe(false);
  const waiting = untilUnused('kvm_amd', 30_000, folder);
  await writeFile(references, '0\n');
  expect(await waiting).toBe(true);
  expect(await untilUnused('vhost_net', 0, folder)).toBe(true);
});
