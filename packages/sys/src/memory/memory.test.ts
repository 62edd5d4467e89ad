import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/index.ts';
import { findRegion, largestDescribed, REGION_UNIT } from './find-region.ts';
import { parseBootLogMap, readFirmwareMap } from './firmware-map.ts';
import { type IomemEntry, insideRam, kernelImage, parseIomem, persistentMemory, systemRam } from './iomem.ts';
import { contains, overlaps, sizeOf, type TypedRange } from './range.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const MIB = 2 ** 20;
const GIB = 2 ** 30;

interface Machine {
  readonly iomem: IomemEntry[];
  readonly firmware: TypedRange[];
}

/** Reads a capture; machines known from a boot log only get the iomem that their kernel would show. */
async function machine(name: string): Promise<Machine> {
  const text = await readFile(join(FIXTURES, `${name}.txt`), 'utf8');
  const section = (title: string) => text.split(`[${title}]\n`)[1]?.split(/^\[/m)[0] ?? '';
  const log = parseBootLogMap(section('boot log'));
  if (log.length > 0) {
    const iomem = log.map((range) => ({
      ...range,
      name: range.type === 'ram' ? 'System RAM' : 'Reserved',
      depth: 0,
    }));
    return { iomem, firmware: log };
  }
  const lines = section('firmware').replace(
    /^(0x[0-9a-f]+) (0x[0-9a-f]+) (.*)$/gm,
    (_, start, last, type) => {
      return `BIOS-e820: [mem ${start}-${last}] ${type}`;
    },
  );
  return { iomem: parseIomem(section('iomem')), firmware: parseBootLogMap(lines) };
}

const place = async (name: string, size: number, options: { kernelStays?: boolean } = {}) => {
  const result = findRegion({ ...(await machine(name)), size, ...options });
  return result.found
    ? `${result.region.start / MIB}M-${result.region.end / MIB}M aligned to ${result.alignment / MIB}M`
    : result.reason;
};

test('with 5 GiB on q35, 2 GiB go above 4 GiB, and at least 512 MiB of RAM stay above them', async () => {
  expect(await place('q35-5g-seabios', 2 * GIB)).toBe('4096M-6144M aligned to 1024M');
  expect(await place('q35-5g-ovmf', 2 * GIB)).toBe('4096M-6144M aligned to 1024M');
});

test('what fits only without RAM above it goes to the very top', async () => {
  expect(await place('q35-5g-ovmf', 2.5 * GIB)).toBe('4096M-6656M aligned to 1024M');
  expect(await place('q35-5g-ovmf', 3 * GIB)).toBe('4096M-7168M aligned to 1024M');
});

test('the place does not depend on where KASLR put the kernel above 4 GiB', async () => {
  const { iomem } = await machine('q35-8g-seabios-numa');
  expect(kernelImage(iomem)?.start).toBe(0x279200000);
  expect(await place('q35-8g-seabios-numa', 2 * GIB)).toBe('7168M-9216M aligned to 1024M');
});

test('a kernel that stays where it is is kept clear of', async () => {
  expect(await place('q35-8g-seabios-numa', 2 * GIB, { kernelStays: true })).toBe(
    '7168M-9216M aligned to 1024M',
  );
});

test('a crash kernel is kept clear of', async () => {
  // Its 256 MiB end 16 MiB below the top; so 1 GiB alignment costs one step.
  expect(await place('q35-8g-seabios-crashhigh', GIB, { kernelStays: true })).toBe(
    '8192M-9216M aligned to 1024M',
  );
});

test('a region smaller than 1 GiB is aligned to sections, 512 MiB below the top', async () => {
  expect(await place('laptop-12g', 512 * MIB)).toBe('14336M-14848M aligned to 128M');
  expect(await place('q35-8g-seabios', 64 * MIB)).toBe('9664M-9728M aligned to 2M');
});

test('low memory is used only when the high memory is too small, and then below firmware ranges', async () => {
  expect(await place('q35-4g-ovmf', 2 * GIB)).toBe('4096M-6144M aligned to 1024M');
  expect(await place('pc-4g-seabios', 2 * GIB)).toBe('896M-2944M aligned to 128M');
  expect(await place('q35-1g-seabios', 512 * MIB)).toBe(
    "the machine has 1023M of RAM, of which 1G and 1/64 of the store's size are left to the host; nothing fits",
  );
});

test('a size that does not fit is refused with the largest that does', async () => {
  expect(await place('q35-4g-seabios', 4 * GIB)).toBe(
    "the machine has 4095M of RAM, of which 1G and 1/64 of the store's size are left to the host; the largest that fits is 2G",
  );
  expect(await place('q35-4g-seabios', 2.5 * GIB)).toBe(
    'there is no free range of RAM of that size in one piece; the largest that fits is 2G',
  );
  expect(await place('q35-8g-ovmf-memmap', 5 * GIB)).toBe(
    "the machine has 6137M of RAM, of which 1G and 1/64 of the store's size are left to the host; the largest that fits is 4G",
  );
});

test("the region's memory map, 64 bytes for each 4 KiB, is left to the host too", () => {
  const iomem: IomemEntry[] = [
    { start: MIB, end: 2 * GIB, name: 'System RAM', depth: 0 },
    { start: 4 * GIB, end: 259 * GIB + MIB, name: 'System RAM', depth: 0 },
  ];
  const refused = findRegion({ iomem, firmware: [], size: 400 * GIB });
  // (257 - 1) * 64 / 65 GiB
  expect(refused).toMatchObject({ found: false, largest: 258110 * MIB });
  expect(findRegion({ iomem, firmware: [], size: 258110 * MIB }).found).toBe(true);
  expect(findRegion({ iomem, firmware: [], size: 258112 * MIB }).found).toBe(false);
  expect(largestDescribed(iomem)).toBe(256 * 64 * GIB);
});

test('a size is rounded up to whole units', async () => {
  const result = findRegion({ ...(await machine('firecracker-24g')), size: 3 * MIB });
  expect(result.found && sizeOf(result.region)).toBe(4 * MIB);
});

test('half the memory of a server with two sockets fits near its top', async () => {
  expect(await place('server-256g', 128 * GIB)).toBe('132096M-263168M aligned to 1024M');
});

const ALL = (await readdir(FIXTURES)).map((file) => file.replace('.txt', ''));

test.each(ALL)('on %s no region of any size touches what is not free RAM', async (name) => {
  const { iomem, firmware } = await machine(name);
  const image = kernelImage(iomem);
  let found = 0;
  for (let size = REGION_UNIT; size < 2 ** 38; size *= 2) {
    const result = findRegion({ iomem, firmware, size, hostReserve: 256 * MIB });
    if (!result.found) {
      expect(result.largest).toBeLessThan(size);
      continue;
    }
    found++;
    const { region } = result;
    expect(region.start % REGION_UNIT).toBe(0);
    expect(sizeOf(region)).toBe(size);
    expect(systemRam(iomem).some((range) => contains(range, region))).toBe(true);
    expect(persistentMemory(iomem).filter((range) => overlaps(range, region))).toEqual([]);
    expect(firmware.filter((range) => range.type !== 'ram' && overlaps(range, region))).toEqual([]);
    const inside = insideRam(iomem).filter((entry) => !entry.name.startsWith('Kernel '));
    expect(inside.filter((entry) => overlaps(entry, region))).toEqual([]);
    if (image !== null && image.start < 4 * GIB) expect(overlaps(image, region)).toBe(false);
  }
  expect(found).toBeGreaterThan(5);
});

test.each(ALL)('on %s the largest that fits does fit', async (name) => {
  const { iomem, firmware } = await machine(name);
  const refused = findRegion({ iomem, firmware, size: 2 ** 40, hostReserve: 256 * MIB });
  if (refused.found) throw new Error('no machine has room for 1 TiB');
  const result = findRegion({ iomem, firmware, size: refused.largest, hostReserve: 256 * MIB });
  expect(result.found).toBe(true);
});

test('emulated persistent memory is recognised, also where a kernel has landed in it', async () => {
  const regions = async (name: string) =>
    persistentMemory((await machine(name)).iomem).map((range) => [range.start / MIB, range.end / MIB]);
  expect(await regions('q35-5g-seabios-memmap')).toEqual([[4096, 6144]]);
  expect(await regions('server-32g-kaslr')).toEqual([
    [4096, 5470],
    [5528.171875, 8192],
  ]);
});

test('firmware maps are read from /sys/firmware/memmap in the order of addresses', async () => {
  const directory = await temporaryDirectory();
  const put = async (name: string, start: string, end: string, type: string) => {
    await mkdir(join(directory, name));
    for (const [file, text] of Object.entries({ start, end, type })) {
      await writeFile(join(directory, name, file), `${text}\n`);
    }
  };
  await put('10', '0x100000000', '0x17fffffff', 'System RAM');
  await put('2', '0x880000000', '0x27ffffffff', 'Persistent Memory');
  await put('0', '0x0', '0x9fbff', 'System RAM');
  await put('3', '0x9fc00', '0x9ffff', 'Something new');
  expect(await readFirmwareMap(directory)).toEqual([
    { start: 0, end: 0x9fc00, type: 'ram' },
    { start: 0x9fc00, end: 0xa0000, type: 'unknown' },
    { start: 0x100000000, end: 0x180000000, type: 'ram' },
    { start: 0x880000000, end: 0x2800000000, type: 'pmem' },
  ]);
  expect(await readFirmwareMap(join(directory, 'none'))).toEqual([]);
});

test('boot logs of old and new kernels name the same types', () => {
  const log = `\
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff]  System RAM
BIOS-e820: [gap 0x00000000000a0000-0x00000000000fffff]
BIOS-e820: [mem 0x0000000100000000-0x00000001ffffffff]  device reserved
[    0.000000] BIOS-e820: [mem 0x0000000880000000-0x00000027ffffffff] persistent (type 7)
`;
  expect(parseBootLogMap(log).map((range) => range.type)).toEqual(['ram', 'reserved', 'pmem']);
});

test('addresses that the kernel hides are an error, not a machine without memory', () => {
  expect(() => parseIomem('00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n')).toThrow(
    '/proc/iomem shows no addresses.',
  );
});
