import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from './testing/run.ts';

const exuvia = (line: string) => run(line.split(' '));

test.each([
  ['doctor --deep --json', "Unknown option '--deep'."],
  ['vm show --json', "Missing required argument 'name'."],
  ['plan --kernel 7.2 --handover magic --json', /^Option '--handover <kind>' argument 'magic' is invalid\. /],
  ['vm --json', 'A command is missing.'],
  ['--json lab status', 'No option comes before `lab`: exuvia lab COMMAND [options].'],
  ['--host https://h:1 lab up --cpus 2 --json', /^No option comes before `lab`: /],
  ['update --json', 'Give either --plan ID, or --all, --kernel, --qemu or --module.'],
])('%s tells programs what is wrong, too', async (line, message) => {
  const { status, out } = await exuvia(line);
  expect(status).toBe(2);
  const { error } = JSON.parse(out);
  expect(error.code).toBe('usage');
  if (typeof message === 'string') expect(error.message).toBe(message);
  else expect(error.message).toMatch(message);
});

test("commander's suggestion is the hint", async () => {
  expect(JSON.parse((await exuvia('updat --json')).out)).toEqual({
    error: { code: 'usage', message: "Unknown command 'updat'.", hint: '(Did you mean update?)' },
  });
});

test.each([
  ['plan --module ../x', '--module must be the name of a kernel module.'],
  ['plan --parallel x', "--parallel 'x' is not a whole number from 1 to 64."],
  ['plan --parallel 65', "--parallel '65' is not a whole number from 1 to 64."],
  ['plan --kernel /x', /^--kernel must be a kernel release/],
])('%s names the option that is wrong', async (line, message) => {
  const { status, out, err } = await exuvia(line);
  expect({ status, out }).toEqual({ status: 2, out: '' });
  const said = err.split('\n')[0]?.replace('exuvia: ', '');
  if (typeof message === 'string') expect(said).toBe(message);
  else expect(said).toMatch(message);
});

test.each([
  ['lab typo', 'There is no command "lab typo".'],
  ['lab status --deep', "Unknown option '--deep'."],
  ['lab --json status', 'The command comes first, then --json.'],
])('%s is wrong usage, too', (line, message) => {
  const program = [join(import.meta.dirname, 'main.ts'), ...line.split(' '), '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8' });
  const said = `${message} See npm run exuvia -- lab --help.`;
  expect([status, JSON.parse(stdout)]).toEqual([2, { error: { code: 'usage', message: said } }]);
  expect(stderr).toContain(`${said}\n`);
});
