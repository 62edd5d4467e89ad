import { expect, test } from 'vitest';
import { runAloud } from './aloud.ts';

const lines: string[] = [];
const shell = (script: string, timeoutMs = 60_000) =>
  runAloud('sh', ['-c', script], { timeoutMs, line: (text) => void lines.push(text) });

test('what a long program says is handed on line by line, and is in the error when it fails', async () => {
  await shell('echo out; echo "I: one" >&2; echo "I: two" >&2');
  expect(lines).toEqual(['I: one', 'I: two']);
  await expect(shell('echo "E: no mirror" >&2; exit 3')).rejects.toMatchObject({
    code: 'command-failed',
    message: '`sh` failed with exit code 3.',
    hint: 'It said: E: no mirror',
  });
});

test('one that takes too long is ended', async () => {
  await expect(shell('exec sleep 600', 100)).rejects.toMatchObject({ code: 'command-timeout' });
});
