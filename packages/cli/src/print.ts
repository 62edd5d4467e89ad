import { renderTable } from '@exuvia/report';
import type { GlobalOptions } from './connect.ts';
import type { Io } from './io.ts';

/** Prints a result: the document itself with --json, else what `render` makes of it. */
export function show(io: Io, options: GlobalOptions, document: unknown, render: () => string): void {
  io.out(options.json === true ? `${JSON.stringify(document)}\n` : withLineBreak(render()));
}

export function table(headers: readonly string[], rows: readonly (readonly string[])[], io: Io): string {
  return withLineBreak(renderTable(headers, rows, { color: io.color }));
}

function withLineBreak(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
