import { EXIT, type ExitStatus } from '../../exit.ts';
import { show } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { type GuestOptions, targetOf, withGuest } from './target.ts';

/** A variable of a guest's kernel, or a part of it. */
export async function read(invocation: Invocation<GuestOptions>): Promise<ExitStatus> {
  const target = await targetOf(invocation, 'EXPRESSION');
  const result = await withGuest(target, (guest) => guest.read(target.rest[0] ?? ''));
  show(invocation.io, invocation.options, result, () => {
    const text = result.text === undefined ? '' : ` "${result.text}"`;
    return `(${result.type}) ${render(result.value, '')}${text}\n`;
  });
  return EXIT.ok;
}

/** Like an initialiser in C. */
function render(value: unknown, indent: string): string {
  if (typeof value === 'string')
    return /^(0x[0-9a-f]+( <.*>)?|-?\d+)$/.test(value) ? value : JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((element) => `${inner}${render(element, inner)},\n`)
    : Object.entries(value).map(([name, member]) => `${inner}.${name} = ${render(member, inner)},\n`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  return lines.length === 0 ? `${open}${close}` : `${open}\n${lines.join('')}${indent}${close}`;
}
