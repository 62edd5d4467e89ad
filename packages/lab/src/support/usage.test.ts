import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BENCHMARKS } from '../bench/options.ts';

const ROOT = join(import.meta.dirname, '../../../..');

function run(script: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, script), ...args]);
  return { status, stdout: String(stdout), stderr: String(stderr) };
}
const bootstrap = (...args: readonly string[]) => run('scripts/bootstrap.mjs', ...args);

test.each([
  ['demo', 2],
  ['fuzz', 2],
  ['bench', 64],
  ['soak', 64],
])('an unknown option of %s ends the command before anything is built', (name, status) => {
  expect(bootstrap(name, '--', '--deep')).toEqual({
    status,
    stdout: '',
    stderr: `Unknown option '--deep'. See npm run ${name} -- --help.\n`,
  });
});

test.each([
  ['demo', ['--kernel', '--busy-memory', '--keep', '--json']],
  ['fuzz', ['--seconds', '--seed', '--target', '--keep']],
  ['bench', ['--runs', '--guests', '--pairs', '--toggles', '--json']],
  ['soak', ['--updates', '--json']],
])('the help of %s has its options and examples', (name, options) => {
  const { status, stdout, stderr } = bootstrap(name, '--', '--help');
  expect([status, stderr]).toEqual([0, '']);
  expect([...new Set(stdout.match(/--[a-z][a-z-]*/g))]).toEqual(options);
  expect(stdout).toContain(`\nExamples:\n  npm run ${name}`);
});

test('the help of bench has every benchmark', () => {
  const { stdout } = bootstrap('bench', '--', '-h');
  expect(stdout).toContain(`Usage: npm run bench -- ${BENCHMARKS.join('|')} `);
  for (const name of BENCHMARKS) expect(stdout).toContain(`\n  ${name.padEnd(15)} `);
});

test.each([
  ['demo', 2],
  ['bench', 64],
  ['soak', 64],
])('wrong options end the program of %s with its status, and are told as JSON, too', (name, status) => {
  const ended = run(`packages/lab/src/${name}/main.ts`, '--deep', '--json');
  const message = `Unknown option '--deep'. See npm run ${name} -- --help.`;
  expect(ended.status).toBe(status);
  expect(JSON.parse(ended.stdout)).toMatchObject({ error: { code: 'usage', message } });
  expect(ended.stderr).toContain(` ${message}\n`);
});
