import { expect, test } from 'vitest';
import { buildIdIn } from './notes.ts';

function note(type: number, name: string, content: Buffer, size = content.length): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(name.length, 0);
  head.writeUInt32LE(size, 4);
  head.writeUInt32LE(type, 8);
  const pad = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  return Buffer.concat([head, pad(Buffer.from(name)), pad(content)]);
}

const ID = Buffer.from('3bde3ce03156c39bec3310fbdd6bd14bfbefb62e', 'hex');

test('a build id is found behind other notes', () => {
  const notes = Buffer.concat([
    note(0x100, 'Xen\0', Buffer.alloc(5)),
    note(6, 'Linux\0', Buffer.alloc(1)),
    note(3, 'GNU\0', ID),
  ]);
  expect(buildIdIn(notes)).toBe(ID.toString('hex'));
});

test.each([
  ['no notes', Buffer.alloc(0)],
  ['zeros without end', Buffer.alloc(4096)],
  ['a note longer than all notes', note(3, 'GNU\0', ID, 0xffff_fff0)],
  ["somebody else's note of the same type", note(3, 'XYZ\0', ID)],
  ['a build id of two bytes', note(3, 'GNU\0', Buffer.alloc(2))],
])('%s have none', (_, notes) => {
  expect(buildIdIn(notes)).toBeNull();
});
