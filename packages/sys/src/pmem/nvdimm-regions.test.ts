import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { nvdimmRegions } from './nvdimm-regions.ts';

const GIB = 2 ** 30;

async function put(path: string, text: string) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${text}\n`);
}

async function region(root: string, name: string, bus: string, facts: Record<string, string>) {
  const { provider = '', ...files } = facts;
  const directory = join(root, 'sys/devices', bus, name);
  await put(join(root, 'sys/devices', bus, 'provider'), provider);
  for (const [file, text] of Object.entries(files)) await put(join(directory, file), text);
  await mkdir(join(root, 'sys/bus/nd/devices'), { recursive: true });
  await symlink(directory, join(root, 'sys/bus/nd/devices', name));
}

test('regions of NVDIMMs are known without any block device, emulated ones are none of them', async () => {
  const root = await temporaryDirectory();
  const resource = '0x880000000';
  await region(root, 'region0', 'ndbus0', { provider: 'e820', resource: '0x100000000', size: `${GIB}` });
  await region(root, 'region1', 'ndbus1', { provider: 'ACPI.NFIT', resource, size: `${126 * GIB}` });
  await put(join(root, 'sys/firmware/acpi/tables/NFIT'), '');
  expect(await nvdimmRegions(root)).toEqual([{ start: 34 * GIB, end: 160 * GIB }]);
});

test('without a driver for the NVDIMMs that ACPI describes every address may be theirs', async () => {
  const root = await temporaryDirectory();
  expect(await nvdimmRegions(root)).toEqual([]);
  await put(join(root, 'sys/firmware/acpi/tables/NFIT'), '');
  expect(await nvdimmRegions(root)).toEqual([{ start: 0, end: Number.MAX_SAFE_INTEGER }]);
});
