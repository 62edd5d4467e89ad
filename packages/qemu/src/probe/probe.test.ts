import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findQemu } from '../testing/index.ts';
import { probeQemu } from './probe.ts';

const qemu = await findQemu();
if ('missing' in qemu) console.warn(`Probing is not tested: ${qemu.missing}`);
const binary = 'binary' in qemu ? qemu.binary : '';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-probe-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function program(text: string): Promise<string> {
  const path = join(directory, 'qemu');
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

test.skipIf('missing' in qemu)('a real QEMU says what it can do', async () => {
  const features = await probeQemu(binary);
  expect(features.version).toMatch(/^(10\.[0-9]+|1[1-9]\.[0-9]+)\.[0-9]+$/);
  expect(features.migrationModes).toEqual(expect.arrayContaining(['normal', 'cpr-reboot', 'cpr-transfer']));
  expect(features.migrationCapabilities).toEqual(expect.arrayContaining(['x-ignore-shared', 'events']));
  expect(features.auxRamShare).toBe(true);
  expect(features.machines).toEqual(expect.arrayContaining(['pc-q35-10.0', 'pc-i440fx-10.0']));
});

test.skipIf('missing' in qemu)('a binary is asked once, and again when it has changed', async () => {
  const calls = join(directory, 'calls');
  const path = await program(`echo x >> ${calls}; exec ${binary} "$@"`);
  const first = await probeQemu(path);
  expect(await probeQemu(path)).toBe(first);
  await program(`echo xx >> ${calls}; exec ${binary} "$@"`);
  const second = await probeQemu(path);
  expect(second).toEqual(first);
  expect(second).not.toBe(first);
});

test('a missing binary is said to be missing', async () => {
  await expect(probeQemu(join(directory, 'none'))).rejects.toMatchObject({
    code: 'qemu-missing',
    message: `There is no QEMU at ${join(directory, 'none')}.`,
  });
});

test('a program that fails cannot be asked, and is asked again the next time', async () => {
  const path = await program('exit 1');
  const refusal = { code: 'qemu-unusable', message: `${path} cannot be asked what it can do.` };
  await expect(probeQemu(path)).rejects.toMatchObject(refusal);
  await expect(probeQemu(path)).rejects.toMatchObject(refusal);
});

test('a program that says nothing is no QEMU', async () => {
  const path = await program('cat > /dev/null');
  await expect(probeQemu(path)).rejects.toMatchObject({
    code: 'qemu-unusable',
    message: `${path} does not speak QMP.`,
  });
});
