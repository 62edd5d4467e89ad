import { expect, test } from 'vitest';
import { run } from './run.ts';

test('the output and exit code of a program are returned', async () => {
  expect(await run('sh', ['-c', 'echo out; echo err >&2'])).toEqual({
    stdout: 'out',
    stderr: 'err',
    exitCode: 0,
  });
});

test('input reaches the program', async () => {
  expect((await run('cat', [], { input: 'hello' })).stdout).toBe('hello');
});

test('without input a program finds its standard input empty', async () => {
  expect((await run('cat', [])).stdout).toBe('');
});

test('arguments reach the program as they are: there is no shell', async () => {
  expect((await run('printf', ['%s', '$(id) "; rm'])).stdout).toBe('$(id) "; rm');
});

test('what a long program says is heard line by line, and is in the error when it fails', async () => {
  const lines: string[] = [];
  const heard = (line: string) => void lines.push(line);
  await expect(run('sh', ['-c', 'echo one >&2; echo two >&2; exit 3'], { heard })).rejects.toMatchObject({
    hint: 'It said: one\ntwo',
  });
  expect(lines).toEqual(['one', 'two']);
});

test('a failure names the command, its exit code and what it said', async () => {
  await expect(run('sh', ['-c', 'echo no such thing >&2; exit 3'])).rejects.toMatchObject({
    code: 'command-failed',
    message: '`sh -c echo no such thing >&2; exit 3` failed with exit code 3.',
    hint: 'It said: no such thing',
  });
});

test('a failure that is allowed is returned', async () => {
  expect(await run('sh', ['-c', 'exit 3'], { allowFailure: true })).toEqual({
    stdout: '',
    stderr: '',
    exitCode: 3,
  });
});

test('a program ended by a signal has the exit code that a shell gives it', async () => {
  expect((await run('sh', ['-c', 'kill -9 $$'], { allowFailure: true })).exitCode).toBe(137);
});

test('a program that is not installed is said to be missing', async () => {
  await expect(run('exuvia-no-such-program', [])).rejects.toMatchObject({
    code: 'command-missing',
    message: 'The program `exuvia-no-such-program` is not installed.',
  });
});

test('a program that takes too long is ended', async () => {
  await expect(run('sleep', ['60'], { timeoutMs: 50 })).rejects.toMatchObject({
    code: 'command-timeout',
    message: '`sleep 60` did not end within 0.05 s.',
  });
});

test('an aborted program is ended', async () => {
  const controller = new AbortController();
  const running = run('sleep', ['60'], { signal: controller.signal });
  controller.abort();
  await expect(running).rejects.toMatchObject({ code: 'command-aborted' });
});

test('programs speak English', async () => {
  expect((await run('sh', ['-c', 'echo $LC_ALL'], { env: { OTHER: '1' } })).stdout).toBe('C');
});
