import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, 'main.ts');

test('output that a full disk does not take is a failure', async () => {
  const program = spawn('sh', ['-c', '"$@" > /dev/full', 'sh', process.execPath, MAIN, 'vm', 'schema'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const err = text(program.stderr);
  expect(await once(program, 'close')).toEqual([1, null]);
  expect(await err).toBe(
    'exuvia: Standard output cannot be written: ENOSPC: no space left on device, write.\n',
  );
});

test.each([
  ['succeeds', ['vm', 'schema'], 0],
  ['fails', ['status', '--json', '--socket', '/none'], 4],
])('a reader that has gone away leaves its status to a command that %s', async (_, words, status) => {
  const program = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  program.stdout.destroy();
  const err = text(program.stderr);
  expect(await once(program, 'exit')).toEqual([status, null]);
  expect(await err).toBe('');
});
