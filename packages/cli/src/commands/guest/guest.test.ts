import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../../testing/run.ts';

// What needs a running kernel is tested with real ones: packages/lab/e2e-guest.

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exuvia-cli-guest-'));
});
afterEach(() => rm(folder, { recursive: true }));

test.each([
  ['no guest', 'guest inspect', 2, 'exuvia: Which guest? Give a VM or --qmp PATH.\n'],
  [
    'a VM that does not run',
    'guest inspect nowhere',
    3,
    'exuvia: VM nowhere is not running on this host.\n        `exuvia vm list` shows the VMs; another QEMU is given by --qmp PATH.\n',
  ],
  [
    'a path in place of a name',
    'guest tasks /run/qemu.sock',
    2,
    'exuvia: /run/qemu.sock is no name of a VM.\n        A socket is given by --qmp PATH.\n',
  ],
  ['no pattern', 'guest symbols --qmp /x', 2, 'exuvia: PATTERN is missing.\n'],
  ['no expression', 'guest read --qmp /x', 2, 'exuvia: EXPRESSION is missing.\n'],
  ['too many arguments', 'guest dmesg --qmp /x now', 2, 'exuvia: now is one argument too many.\n'],
  [
    'a limit that is none',
    'guest symbols --qmp /x a --limit few',
    2,
    'exuvia: --limit few is not a whole number.\n',
  ],
  ['no stack', 'guest stack --qmp /x', 2, 'exuvia: Give one of PID, --cpu NUMBER and --all.\n'],
  ['two stacks', 'guest stack --qmp /x 1 --all', 2, 'exuvia: Give one of PID, --cpu NUMBER and --all.\n'],
  ['a PID that is none', 'guest stack --qmp /x init', 2, 'exuvia: PID init is not a whole number.\n'],
  [
    'a guest of another host',
    'guest inspect web --host https://h:1',
    3,
    'exuvia: A guest can be looked into on its host only.\n        Log in there, for example with ssh.\n',
  ],
])('%s is refused', async (_, line, status, err) => {
  expect(await run(line.split(' '))).toEqual({ status, out: '', err });
});

test('a monitor that nobody listens on is no guest', async () => {
  const path = join(folder, 'none.sock');
  const result = await run(['guest', 'inspect', '--qmp', path, '--json']);
  expect(result.status).toBe(4);
  expect(JSON.parse(result.out)).toMatchObject({ error: { code: 'qmp-closed' } });
});

test('a socket that is no monitor is named', async () => {
  const path = join(folder, 'other.sock');
  const server = createServer((socket) => socket.end('220 mail\r\n')).listen(path);
  const result = await run(['guest', 'inspect', '--qmp', path]);
  server.close();
  expect(result).toMatchObject({ status: 1, out: '' });
  expect(result.err).toMatch(/Is something else listening on this socket\?\n$/);
});

test.each(['inspect', 'symbols', 'tasks', 'stack', 'read', 'dmesg'])(
  'guest %s --help has an example',
  async (name) => {
    const { out, status } = await run(['guest', name, '--help']);
    expect(status).toBe(0);
    expect(out).toContain(`\n  exuvia guest ${name} web`);
    expect(out).toMatch(new RegExp(`^Usage: exuvia guest ${name} \\[options\\] \\(VM \\| --qmp PATH\\)`));
  },
);
