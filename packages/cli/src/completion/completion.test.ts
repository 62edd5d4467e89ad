import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '@exuvia/agent';
import { beforeEach, expect, test } from 'vitest';
import { run } from '../testing/run.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  await writeFile(join(folder, 'my patch.ko'), '');
  await mkdir(join(folder, 'vms'));
  for (const name of ['db.yaml', 'web.yaml', 'web-2.yaml', 'web.yaml.bak'])
    await writeFile(join(folder, 'vms', name), '');
});

/**
 * What bash offers at the end of a command line, which it has cut at blanks, colons and equals signs, on a host whose
 * specs lie in the test's folder.
 */
async function complete(line: string): Promise<string[]> {
  const script = join(folder, '.completion');
  const { out } = await run(['completion', 'bash']);
  await writeFile(script, out.replaceAll('/etc/exuvia/vms', join(folder, 'vms')));
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

test.each([
  ['vm start w', ['web', 'web-2']],
  ['vm stop --timeout 5 d', ['db']],
  ['vm console web-', ['web-2']],
  ['vm show web w', []],
  ['vm list w', []],
  ['recover web d', ['db']],
  ['guest read w', ['web', 'web-2']],
  ['guest read web w', []],
  ['guest patch rollback --wait d', ['db']],
  ['guest patch apply d', ['db']],
  ['guest patch apply web d', []],
])('bash completes names of VMs: %s', async (line, offered) => {
  expect(await complete(line)).toEqual(offered);
});

test('a host without VMs, or whose VMs may not be seen, offers none', async () => {
  await rm(join(folder, 'vms'), { recursive: true });
  expect(await complete('vm start w')).toEqual([]);
});

test.each(['bash', 'zsh'])(
  'the lab, which the package does not have, is not offered by %s',
  async (shell) => {
    expect((await run(['completion', shell])).out).not.toMatch(/\blab\b/);
  },
);

test('for zsh the file works as the function that it is autoloaded as', async () => {
  const { out } = await run(['completion', 'zsh']);
  expect(out).toMatch(/^#compdef exuvia\n_exuvia\(\) \{\n/);
  expect(out).toContain("    '--handover') candidates=(vmm module kexec reboot) ;;\n");
  expect(out).toContain('  [[ -z $vms ]] || compadd -- /etc/exuvia/vms/*.yaml(N:t:r)\n');
  expect(out).toMatch(
    /\nif \[\[ \$\{funcstack\[1\]\} == _exuvia \]\]; then\n {2}_exuvia "\$@"\nelse\n {2}compdef _exuvia exuvia\nfi\n$/,
  );
});
