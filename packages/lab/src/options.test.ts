import { expect, test } from 'vitest';
import { cpuCount, labValues, upRequest } from './options.ts';

const GIB = 2 ** 30;
const request = (line: string) => upRequest(labValues(line === '' ? [] : line.split(' ')));

test('a lab host has three VMs, unless told otherwise', () => {
  expect(request('')).toEqual({
    host: {
      ...{ cpus: 3, memoryBytes: 5 * GIB, store: '2G', kernel: '6.12', refresh: false },
      ...{ mirror: undefined, deb: undefined },
    },
    vms: ['tiny', 'disk', 'busy'],
    busyMemory: '512M',
  });
  const line =
    '--cpus 2 --memory 4G --store 1G --kernel 7.2 --vms busy,tiny,busy --busy-memory 256M --refresh';
  expect(request(line)).toEqual({
    host: {
      ...{ cpus: 2, memoryBytes: 4 * GIB, store: '1G', kernel: '7.2', refresh: true },
      ...{ mirror: undefined, deb: undefined },
    },
    vms: ['busy', 'tiny'],
    busyMemory: '256M',
  });
});

test.each(['--vms none', '--deb none --memory 2G', '--deb none --vms none', '--store 16M --vms none'])(
  'with %s no VM is started',
  (line) => {
    expect(request(line).vms).toEqual([]);
  },
);

test.each(['6.12', '7', '6.12.107+deb13-cloud-amd64'])(
  '%s is a release, or the beginning of one',
  (kernel) => {
    expect(request(`--kernel ${kernel}`).host.kernel).toBe(kernel);
  },
);

test.each([
  ['--deep', "Unknown option '--deep'."],
  ['now', "Unexpected argument 'now'."],
  ['--vms typo', '--vms typo: "typo" is none of tiny, disk, busy; "none" alone is for none.'],
  ['--vms tiny,none', '--vms tiny,none: "none" is none of tiny, disk, busy; "none" alone is for none.'],
  ['--vms tiny --deb none', '--vms tiny needs a host with the Exuvia package, not --deb none.'],
  ['--busy-memory much', '--busy-memory much is no size such as 512M.'],
  ['--busy-memory 64M', '--busy-memory 64M is less than 128M.'],
  [
    '--busy-memory 2G',
    'With --busy-memory 2G the memory of tiny, disk, busy is 2432M; a store of 2G has room for 2016M.',
  ],
  [
    '--store 16M --vms tiny',
    'With --busy-memory 512M the memory of tiny is 128M; a store of 16M has room for 0B.',
  ],
  ['--kernel typo', '--kernel typo is no release such as 6.12, or 7.2.'],
  ['--cpus 1', '--cpus 1 is no number from 2 to 64.'],
  ['--cpus many', '--cpus many is no number from 2 to 64.'],
  ['--memory 5', '--memory 5 is no size such as 2G.'],
  ['--store 0G', '--store 0G is no size such as 2G.'],
  [
    '--store 4G --memory 4608M',
    "--store 4G does not fit into --memory 4608M: the machine has 4608M of RAM, of which 1G and 1/64 of the store's size are left to the host; the largest that fits is 2560M.",
  ],
  [
    '--memory 3584M',
    '--store 2G does not fit into --memory 3584M: there is no free range of RAM of that size in one piece; the largest that fits is 1792M.',
  ],
])('%s is refused', (line, message) => {
  expect(() => request(line)).toThrow(
    expect.objectContaining({ code: 'usage', message: `${message} See npm run exuvia -- lab --help.` }),
  );
});

test('a guest has one CPU at least', () => {
  expect(cpuCount('1', 1)).toBe(1);
  expect(() => cpuCount('0', 1)).toThrow('--cpus 0 is no number from 1 to 64.');
});
