import { expect, test } from 'vitest';
import { demoOptions } from './options.ts';

test('every option is read', () => {
  expect(demoOptions([])).toEqual({ kernel: null, busyMemory: '512M', keep: false, json: false });
  expect(demoOptions('--kernel 6.12 --busy-memory=1G --keep --json'.split(' '))).toEqual({
    kernel: '6.12',
    busyMemory: '1G',
    keep: true,
    json: true,
  });
});

test.each([
  ['--deep', "Unknown option '--deep'."],
  ['--kernel', "Option '--kernel <value>' argument missing."],
  ['--busy-memory much', '--busy-memory much is no size such as 512M.'],
  [
    '--busy-memory 2G',
    'With --busy-memory 2G the memory of tiny, disk, busy is 2432M; a store of 2G has room for 2016M.',
  ],
])('%s is refused', (line, message) => {
  expect(() => demoOptions(line.split(' '))).toThrow(
    expect.objectContaining({ code: 'usage', message: `${message} See npm run demo -- --help.` }),
  );
});
