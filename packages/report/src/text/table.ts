import { stripVTControlCharacters } from 'node:util';
import { terminalOf } from './terminal.ts';

export interface TableOptions {
  /** By column; `left` where it says nothing. */
  readonly align?: readonly ('left' | 'right')[];
  /** Spaces in front of every line. */
  readonly indent?: number;
  readonly color?: boolean;
}

/**
 * A table in plain text: two spaces between columns, no lines, no space at the end of a line. Cells may
 * hold colours. Without a line break at the end; the empty string when there are neither headers nor rows.
 */
export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const terminal = terminalOf({ color: options.color ?? false });
  const lines = headers.length === 0 ? rows : [headers, ...rows];
  const widths = columnWidths(lines);
  return lines
    .map((cells, index) => {
      const text = cells
        .map((cell, column) => pad(cell, widths[column] ?? 0, options.align?.[column]))
        .join('  ');
      const line = `${' '.repeat(options.indent ?? 0)}${text}`.trimEnd();
      return index === 0 && headers.length > 0 ? terminal.paint('bold', line) : line;
    })
    .join('\n');
}

function columnWidths(lines: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const cells of lines) {
    for (const [column, cell] of cells.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell));
    }
  }
  return widths;
}

function pad(cell: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(width - visibleLength(cell));
  return align === 'left' ? cell + space : space + cell;
}

function visibleLength(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
