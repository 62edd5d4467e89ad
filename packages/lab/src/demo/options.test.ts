import { expect, test } from 'vitest';
import { demoOptions } from './options.ts';

test('every option is read', () => {
  expect(demoOptions([])).toEqual({ kernel: null, busyMemory: '512M', keep: false, json: false });
  expect(demoOptions('--kernel 6.12 --busy-memory=2G --keep --json'.split(' '))).toEqual({
    kernel: '6.12',
    busyMemory: '2G',
    keep: true,
    json: true,
  });
});

test.each([
  ['--deep', "Unknown option '--deep'."],
  ['--kernel', "Option '--kernel <value>' argument missing."],
  ['--busy-memory much', '--busy-memory much is no size such as 512M.'],
])('%s is refused', (line, message) => {
  expect(() => demoOptions(line.split(' '))).toThrow(
    expect.objectContaining({ code: 'usage', message: `${message} See npm run demo -- --help.` }),
  );
});
