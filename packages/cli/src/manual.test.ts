import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import type { Io } from './io.ts';
import { createProgram } from './program.ts';

const PAGE = join(import.meta.dirname, '../../../packaging/files/exuvia.1');
const page = plain(readFileSync(PAGE, 'utf8'));
const program = createProgram({} as Io, () => undefined);
/** The lab is not part of the host package. */
const commands = below(program).filter((command) => command.name() !== 'lab');

/** The text of a man page, without its fonts. */
function plain(roff: string): string {
  return roff
    .replaceAll(/\\f[A-Z]/g, '')
    .replaceAll('\\-', '-')
    .replaceAll(/^\.[A-Z]+ ?/gm, '')
    .replaceAll('"', '');
}

function below(command: Command): Command[] {
  const visible = command.createHelp().visibleCommands(command);
  return visible.filter((one) => one.name() !== 'help').flatMap((one) => [one, ...below(one)]);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function visibleOptions(of: readonly Command[]): Option[] {
  return of.flatMap(({ options }) => options).filter(({ hidden }) => !hidden);
}

test('exuvia(1) has every command', () => {
  const runnable = commands.filter((command) => command.commands.length === 0).map(pathOf);
  expect(runnable).toContain('exuvia guest patch reconcile');
  expect(runnable.filter((path) => !new RegExp(`^${path}( |$)`, 'm').test(page))).toEqual([]);
});

test('exuvia(1) has every option, and none that is not there', () => {
  const options = visibleOptions([program, ...commands]).map(({ long }) => String(long));
  const named = [...page.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option);
  expect([...new Set(named)].sort()).toEqual([...new Set([...options, '--help'])].sort());
});
