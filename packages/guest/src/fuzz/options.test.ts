import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fuzzOptions } from './options.ts';
import { fuzzTargets } from './targets.ts';

const TARGETS = ['tables', 'patch'];

test('every option is read', () => {
  const line = '--seconds 0.5 --seed 7 --target patch --keep';
  expect(fuzzOptions(line.split(' '), TARGETS)).toEqual({
    seconds: 0.5,
    seed: 7,
    target: 'patch',
    keep: true,
  });
  expect(fuzzOptions([], TARGETS)).toEqual({ seconds: 60, seed: expect.any(Number), keep: false });
});

test.each([
  ['--deep', "Unknown option '--deep'."],
  ['now', "Unexpected argument 'now'."],
  ['--seconds', "Option '--seconds <value>' argument missing."],
  ['--seconds few', '--seconds few is no number of seconds.'],
  ['--seconds 0', '--seconds 0 is no number of seconds.'],
  ['--seed -5', "Option '--seed' argument is ambiguous."],
  ['--seed 1.5', '--seed 1.5 is no whole number.'],
  ['--target all', '--target all is none of tables, patch.'],
])('%s is refused', (line, message) => {
  expect(() => fuzzOptions(line.split(' '), TARGETS)).toThrow(
    expect.objectContaining({ code: 'usage', message: `${message} See npm run fuzz -- --help.` }),
  );
});

test('wrong options end the program with one line and status 2', () => {
  const main = join(import.meta.dirname, 'main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--seconds', 'few']);
  expect({ status, stdout: String(stdout), stderr: String(stderr) }).toEqual({
    status: 2,
    stdout: '',
    stderr: '--seconds few is no number of seconds. See npm run fuzz -- --help.\n',
  });
});

test('the help names the targets', async () => {
  const bootstrap = join(import.meta.dirname, '../../../../scripts/bootstrap.mjs');
  const { status, stdout } = spawnSync(process.execPath, [bootstrap, 'fuzz', '--', '--help']);
  expect(status).toBe(0);
  const names = (await fuzzTargets()).map(({ name }) => name);
  expect(String(stdout)).toContain(`only one of ${names.join(', ')}\n`);
});
