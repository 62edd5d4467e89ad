import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '@exuvia/agent';
import { beforeEach, expect, test } from 'vitest';
import { run } from '../testing/run.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  await writeFile(join(folder, 'my patch.ko'), '');
});

/** What bash offers at the end of a command line, which it has cut at blanks, colons and equals signs. */
async function complete(line: string): Promise<string[]> {
  const script = join(folder, '.completion');
  await writeFile(script, (await run(['completion', 'bash'])).out);
  const words = line.split(/ |([:=]+)/).filter((word) => word !== undefined);
  const list = words.map((word) => `'${word}'`).join(' ');
  const code = `source ${script}; COMP_WORDS=(exuvia ${list}); COMP_CWORD=${words.length}; _exuvia; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', code], { cwd: folder });
  return stdout.split('\n').filter((word) => word !== '');
}

test.each([
  ['up', ['update']],
  ['vm s', ['show', 'start', 'stop', 'schema']],
  ['update --k', ['--kernel', '--key']],
  ['--json vm cr', ['create']],
  ['completion ', ['bash', 'zsh']],
  ['guest patch rec', ['reconcile']],
])('bash completes commands and options: %s', async (line, offered) => {
  expect(await complete(line)).toEqual(offered);
});

test.each([
  ['update --kernel 7.2 --pl', ['--plan']],
  ['update --kernel 7.2 --parallel 4 --no', ['--no-wait']],
  ['vm stop web --t', ['--timeout']],
  ['vm stop web --timeout 5 --js', ['--json']],
  ['--host https://h:1 upd', ['update']],
  ['guest patch build fix.c -o x --he', ['--headers']],
])('bash goes on after the value of an option, or an argument: %s', async (line, offered) => {
  expect(await complete(line)).toEqual(offered);
});

test.each([
  ['update --handover ', ['vmm', 'module', 'kexec', 'reboot']],
  ['update --handover=re', ['reboot']],
  ['plan --method ', ['cpr-transfer', 'cpr-exec', 'in-place']],
  ['update --kernel ', []],
  ['vm stop --timeout ', []],
  ['report --html m', ['my patch.ko']],
  ['--ca=my', ['my patch.ko']],
  ['guest patch build --output m', ['my patch.ko']],
])('bash completes values: %s', async (line, offered) => {
  expect(await complete(line)).toEqual(offered);
});

test.each(['vm create m', 'guest patch show m', 'guest patch apply web m', 'cert init m'])(
  'bash completes files: %s',
  async (line) => {
    expect(await complete(line)).toEqual(['my patch.ko']);
  },
);

test('for zsh the file works as the function that it is autoloaded as', async () => {
  const { out } = await run(['completion', 'zsh']);
  expect(out).toMatch(/^#compdef exuvia\n_exuvia\(\) \{\n/);
  expect(out).toContain("    '--handover') candidates=(vmm module kexec reboot) ;;\n");
  expect(out).toMatch(
    /\nif \[\[ \$\{funcstack\[1\]\} == _exuvia \]\]; then\n {2}_exuvia "\$@"\nelse\n {2}compdef _exuvia exuvia\nfi\n$/,
  );
});
