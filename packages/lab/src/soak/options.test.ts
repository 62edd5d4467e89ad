import { expect, test } from 'vitest';
import { soakOptions } from './options.ts';

test('every option is read', () => {
  expect(soakOptions([])).toEqual({ updates: 50, json: false });
  expect(soakOptions('--updates 10 --json'.split(' '))).toEqual({ updates: 10, json: true });
});

test.each([
  ['--deep', "Unknown option '--deep'."],
  ['now', "Unexpected argument 'now'."],
  ['--updates', "Option '--updates <value>' argument missing."],
  ['--updates few', '--updates few is no whole number from 1 to 10000.'],
  ['--updates 0', '--updates 0 is no whole number from 1 to 10000.'],
  ['--updates 1.5', '--updates 1.5 is no whole number from 1 to 10000.'],
])('%s is refused', (line, message) => {
  expect(() => soakOptions(line.split(' '))).toThrow(
    expect.objectContaining({ code: 'usage', message: `${message} See npm run soak -- --help.` }),
  );
});
