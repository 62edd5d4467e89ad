import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
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

const bootstrap = (...args: readonly string[]) => {
  const script = join(import.meta.dirname, '../../../../scripts/bootstrap.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args]);
  return { status, stdout: String(stdout), stderr: String(stderr) };
};

test('an unknown option ends the command before anything is built', () => {
  for (const name of ['demo', 'fuzz']) {
    expect(bootstrap(name, '--', '--deep')).toEqual({
      status: 2,
      stdout: '',
      stderr: `Unknown option '--deep'. See npm run ${name} -- --help.\n`,
    });
  }
});

test.each([
  ['demo', ['--kernel', '--busy-memory', '--keep', '--json']],
  ['fuzz', ['--seconds', '--seed', '--target', '--keep']],
])('the help of %s has its options and examples', (name, options) => {
  const { status, stdout, stderr } = bootstrap(name, '--', '--help');
  expect([status, stderr]).toEqual([0, '']);
  expect([...new Set(stdout.match(/--[a-z][a-z-]*/g))]).toEqual(options);
  expect(stdout).toContain(`\nExamples:\n  npm run ${name}\n`);
});
