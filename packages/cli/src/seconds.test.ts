import { expect, test } from 'vitest';
import { waitLimit } from './commands/guest/patch/wait.ts';
import { timeoutMsOf } from './seconds.ts';
import { run } from './testing/run.ts';

test.each([
  ['0', 0],
  ['2', 2000],
  ['0.5', 500],
  ['3600', 3_600_000],
])('--timeout %s is %i ms', (text, ms) => {
  expect(timeoutMsOf(text)).toBe(ms);
});

test.each(['', ' ', '-1', '1e3', '0x10', '.5', '3601', 'Infinity', 'soon'])(
  "--timeout '%s' is refused, not taken for a time",
  async (text) => {
    const message = `--timeout '${text}' is not a number of seconds from 0 to 3600.`;
    expect(await run(['vm', 'stop', 'web', `--timeout=${text}`, '--socket', '/none'])).toEqual({
      status: 2,
      out: '',
      err: `exuvia: ${message}\n`,
    });
    if (text !== '3601')
      expect(() => waitLimit({ wait: true, timeout: text })).toThrow('is not a number of seconds');
  },
);
