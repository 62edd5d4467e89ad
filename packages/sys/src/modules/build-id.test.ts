import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { elfSection, parseBuildIdNote } from './build-id.ts';

const note = (type: number) =>
  Buffer.concat([
    Buffer.from([4, 0, 0, 0, 4, 0, 0, 0, type, 0, 0, 0]),
    Buffer.from('GNU\0'),
    Buffer.from('c0ffee01', 'hex'),
  ]);

test('a build id is what a note of its type holds', () => {
  expect(parseBuildIdNote(note(3))).toBe('c0ffee01');
  expect(parseBuildIdNote(note(1))).toBe(null);
  expect(parseBuildIdNote(Buffer.alloc(3))).toBe(null);
});

test('a section of a real program is found by its name', async () => {
  const program = await readFile(process.execPath);
  const interpreter = elfSection(program, '.interp')?.toString('latin1') ?? '';
  expect(interpreter).toMatch(/^\/lib64\/ld-linux-x86-64\.so\.2\0$/);
  expect(elfSection(program, '.no-such-section')).toBe(null);
  expect(elfSection(Buffer.from('no program'), '.interp')).toBe(null);
});
