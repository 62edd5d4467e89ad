import { expect, test } from 'vitest';
import { renderTable } from './table.ts';

test('columns are as wide as their widest cell and no line ends in spaces', () => {
  expect(
    renderTable(
      ['VM', 'ms', 'note'],
      [
        ['a', '5', ''],
        ['longer', '1234', 'x'],
      ],
      { align: ['left', 'right'], indent: 2 },
    ),
  ).toBe(['  VM        ms  note', '  a          5', '  longer  1234  x'].join('\n'));
});

test('colours in a cell take no width, and only the header is bold', () => {
  const red = '\u001b[31mno\u001b[39m';
  expect(renderTable(['a', 'b'], [[red, '1']], { color: true })).toBe(`\u001b[1ma   b\u001b[22m\n${red}  1`);
});

test('without headers and rows a table is empty', () => {
  expect(renderTable([], [])).toBe('');
});
