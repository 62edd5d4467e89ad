import { mkdir, writeFile } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { parseCpuFlags } from './clock.ts';
import { parseKernelConfig } from './kernel-config.ts';
import { compareReleases, installedKernels } from './kernels.ts';
import { hostFacts, isKexecLoader } from './machine.ts';
import { packageVersions, parsePackageVersions } from './packages.ts';
import { parseLockdown, parseSecureBoot } from './security.ts';

test('this machine has a name, a kernel, CPUs, memory and an identity of its boot', async () => {
  const facts = await hostFacts();
  expect(facts.hostname).toBe(hostname());
  expect(facts.kernel).toBe(release());
  expect(facts.bootId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(facts.cpus).toBeGreaterThan(0);
  expect(facts.memoryBytes).toBeGreaterThan(2 ** 26);
});

test('a kernel counts as installed when it has an image and modules; the oldest comes first', async () => {
  const root = await temporaryDirectory();
  for (const name of ['7.2.12-a', '6.12.107-a', '6.12.9-a', '5.10-no-image']) {
    await mkdir(join(root, 'lib/modules', name), { recursive: true });
  }
  await mkdir(join(root, 'boot'));
  for (const name of ['vmlinuz-7.2.12-a', 'vmlinuz-6.12.107-a', 'vmlinuz-6.12.9-a', 'vmlinuz-4-no-modules']) {
    await writeFile(join(root, 'boot', name), '');
  }
  await writeFile(join(root, 'boot/initrd.img-7.2.12-a'), '');
  const kernels = await installedKernels(root);
  expect(kernels.map((kernel) => kernel.release)).toEqual(['6.12.9-a', '6.12.107-a', '7.2.12-a']);
  expect(kernels.at(-1)).toEqual({
    release: '7.2.12-a',
    image: join(root, 'boot/vmlinuz-7.2.12-a'),
    modules: join(root, 'lib/modules/7.2.12-a'),
    initrd: join(root, 'boot/initrd.img-7.2.12-a'),
  });
  expect(kernels[0]?.initrd).toBeNull();
});

test('releases are ordered by their numbers', () => {
  expect(['7.2', '10.1', '6.12.107', '6.12.9'].sort(compareReleases)).toEqual([
    '6.12.9',
    '6.12.107',
    '7.2',
    '10.1',
  ]);
});

test('only installed packages have a version', async () => {
  expect(parsePackageVersions('qemu 1:10.0.13 installed\nold 1 config-files\n\n')).toEqual({
    qemu: '1:10.0.13',
  });
  expect(await packageVersions([])).toEqual({});
});

test('kernel options are read; those that are not set are absent', () => {
  const config = parseKernelConfig('# x\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_D="a=b"\n');
  expect([...config]).toEqual([
    ['A', 'y'],
    ['C', 'm'],
    ['D', '"a=b"'],
  ]);
});

test('the lockdown mode in force is the one in brackets', () => {
  expect(parseLockdown('none [integrity] confidentiality\n')).toBe('integrity');
  expect(parseLockdown('[none] integrity confidentiality\n')).toBe('none');
  expect(parseLockdown('')).toBeNull();
});

test('the secure boot variable is one byte behind four of attributes', () => {
  expect(parseSecureBoot(Buffer.from([6, 0, 0, 0, 1]))).toBe('enabled');
  expect(parseSecureBoot(Buffer.from([6, 0, 0, 0, 0]))).toBe('disabled');
  expect(parseSecureBoot(Buffer.from([1]))).toBe('unknown');
});

test('CPU flags are those of the first CPU', () => {
  const flags = parseCpuFlags('processor\t: 0\nflags\t\t: fpu tsc constant_tsc\n\nflags : other\n');
  expect([...flags]).toEqual(['fpu', 'tsc', 'constant_tsc']);
});

test('loader types: QEMU, the EFI stub and GRUB are not kexec', () => {
  // Measured: 176 under QEMU -kernel with SeaBIOS, 33 under OVMF; 114 is GRUB 2.
  expect([176, 33, 114].map(isKexecLoader)).toEqual([false, false, false]);
  expect(isKexecLoader(0xd0)).toBe(true);
});
