import { expect, test } from 'vitest';
import { LineSplitter } from './lines.ts';

test('lines are put together from any pieces, also from within a character', () => {
  const bytes = Buffer.from('{"a":"ä"}\r\n{"b":1}\n\r\n{"c', 'utf8');
  for (let size = 1; size <= bytes.length; size++) {
    const splitter = new LineSplitter();
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size)
      lines.push(...splitter.push(bytes.subarray(at, at + size)));
    expect(lines).toEqual(['{"a":"ä"}', '{"b":1}']);
    expect(splitter.push(Buffer.from('"}\n'))).toEqual(['{"c"}']);
  }
});

test('a line of the longest length is taken, one character more is refused', () => {
  expect(new LineSplitter(10).push(Buffer.from(`${'x'.repeat(10)}\n`))).toEqual(['x'.repeat(10)]);
  expect(() => new LineSplitter(10).push(Buffer.from('x'.repeat(11)))).toThrow(
    'The monitor sent a line of more than 10 characters.',
  );
});
