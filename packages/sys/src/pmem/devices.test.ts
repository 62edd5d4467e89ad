import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { pmemDevices } from './devices.ts';

test('devices are read as Linux 6.12 shows memmap=1G!4G beside a raw NVDIMM', async () => {
  const root = await temporaryDirectory();
  await device('pmem0', 'devices/platform/e820_pmem/ndbus0/region0/namespace0.0', {
    size: '2097152',
    dev: '259:0',
    dax: '1',
    resource: '0x100000000',
    provider: 'e820',
  });
  await device('pmem1', 'devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus1/region1/namespace1.0', {
    size: '2093056',
    dev: '259:1',
    dax: '0',
    resource: '0x200000000',
    provider: 'ACPI.NFIT',
  });
  expect(await pmemDevices(root)).toEqual([
    {
      name: 'pmem0',
      path: '/dev/pmem0',
      number: '259:0',
      sizeBytes: 2 ** 30,
      region: { start: 2 ** 32, end: 5 * 2 ** 30 },
      source: 'emulated',
      dax: true,
      readOnly: false,
    },
    {
      name: 'pmem1',
      path: '/dev/pmem1',
      number: '259:1',
      sizeBytes: 1071644672,
      region: { start: 2 ** 33, end: 2 ** 33 + 1071644672 },
      source: 'nvdimm',
      dax: false,
      readOnly: false,
    },
  ]);

  async function device(name: string, namespace: string, facts: Record<string, string>) {
    const block = join(root, 'sys', namespace, 'block', name);
    const bus = dirname(dirname(join(root, 'sys', namespace)));
    const files = {
      [join(block, 'size')]: facts.size,
      [join(block, 'dev')]: facts.dev,
      [join(block, 'ro')]: '0',
      [join(block, 'queue/dax')]: facts.dax,
      [join(root, 'sys', namespace, 'resource')]: facts.resource,
      [join(bus, 'provider')]: facts.provider,
    };
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `${text}\n`);
    }
    await symlink('../..', join(block, 'device'));
    await mkdir(join(root, 'sys/block'), { recursive: true });
    await symlink(block, join(root, 'sys/block', name));
  }
});

test('a machine without persistent memory has no devices', async () => {
  expect(await pmemDevices(await temporaryDirectory())).toEqual([]);
});
