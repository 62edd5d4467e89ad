import { GuestError } from '../errors.ts';

export type Token =
  | { readonly kind: 'name'; readonly text: string; readonly at: number }
  | { readonly kind: 'number'; readonly text: string; readonly value: bigint; readonly at: number }
  | { readonly kind: 'mark'; readonly text: string; readonly at: number };

const MAX_EXPRESSION = 1000;
const TOKEN = /\s*(?:([A-Za-z_][\w]*)|(0[xX][0-9a-fA-F]{1,16}|\d{1,20})|(->|[.()[\]*&,]))/y;

/** @throws GuestError `guest-expression` at the first thing that no expression has. */
export function tokensOf(text: string): Token[] {
  if (text.length > MAX_EXPRESSION) throw wrong(text, 0, 'it is too long');
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const [whole, name, number, mark] = TOKEN.exec(text) ?? [];
    if (whole === undefined) throw wrong(text, at, 'it is not understood');
    if (name !== undefined) tokens.push({ kind: 'name', text: name, at });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, value: BigInt(number), at });
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark, at });
  }
  return tokens;
}

export function wrong(expression: string, at: number, why: string): GuestError {
  const from = at < expression.length ? ` from "${expression.slice(at, at + 40).trim()}" on` : ' at its end';
  return new GuestError(
    'guest-expression',
    `The expression ${expression.slice(0, 80)} is wrong${from}: ${why}.`,
    {
      hint: 'For example: init_task.comm, per_cpu(runqueues, 0).nr_running, task(1).mm->mmap_base.',
    },
  );
}
