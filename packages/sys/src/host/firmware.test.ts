import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { firmwareName, memoryResetProblem, rebootMode, setRebootMode } from './firmware.ts';

let root: string;
beforeEach(async () => {
  root = await temporaryDirectory();
});

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
}

test('a firmware is what it calls itself', async () => {
  expect(await firmwareName(root)).toBe('');
  await put('sys/class/dmi/id/bios_version', '2.4.1\n');
  await put('sys/class/dmi/id/bios_vendor', 'Some Inc.\n');
  expect(await firmwareName(root)).toBe('Some Inc. 2.4.1');
});

const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const REQUEST = 'MemoryOverwriteRequestControl-e20939be-32d4-41be-a150-897f85d49829';

async function putVariable(name: string, value: readonly number[]): Promise<void> {
  await put(`sys/firmware/efi/efivars/${name}`, Uint8Array.from([7, 0, 0, 0, ...value]));
}

async function hasVariables(): Promise<void> {
  await put('sys/firmware/efi/fw_platform_size', '64\n');
  await putVariable(`BootOrder-${GLOBAL}`, [3, 0]);
}

test.each([
  [REQUEST, [1], 'clear all memory'],
  [REQUEST, [0x10], null],
  [`OsIndications-${GLOBAL}`, [4, 0, 0, 0, 0, 0, 0, 0], 'something else'],
  [`OsIndications-${GLOBAL}`, [1, 0, 0, 0, 0, 0, 0, 0], 'something else'],
  [`OsIndications-${GLOBAL}`, [0, 0, 0, 0, 0, 0, 0, 0], null],
  [`BootNext-${GLOBAL}`, [3, 0], 'another program'],
])('%s of %j is what the next restart is asked for: %s', async (name, value, problem) => {
  await hasVariables();
  expect(await memoryResetProblem(root)).toBeNull();
  await putVariable(name, value);
  const found = await memoryResetProblem(root);
  if (problem === null) expect(found).toBeNull();
  else expect(found).toContain(problem);
});

test('a firmware that cannot be asked is no firmware that has been asked for nothing', async () => {
  expect(await memoryResetProblem(root)).toBeNull();
  await put('sys/firmware/efi/fw_platform_size', '64\n');
  expect(await memoryResetProblem(root)).toContain('it shows no variables');
  await hasVariables();
  await mkdir(join(root, `sys/firmware/efi/efivars/BootNext-${GLOBAL}`));
  expect(await memoryResetProblem(root)).toContain('is not known: EISDIR');
});

test('a warm reset is asked for where the kernel takes the wish', async () => {
  expect(await rebootMode(root)).toBeNull();
  await put('sys/kernel/reboot/mode', 'cold\n');
  expect(await rebootMode(root)).toBe('cold');
  await setRebootMode('warm', root);
  expect(await rebootMode(root)).toBe('warm');
});
