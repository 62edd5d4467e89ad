import { type Token, tokensOf, wrong } from './tokens.ts';

/** A type as it is written in a cast. */
export interface TypeName {
  /** `struct`, `union`, `enum` or nothing. */
  readonly tag: string;
  /** `task_struct`, `unsigned long`, ... */
  readonly name: string;
  readonly pointers: number;
}

export type Expression =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'per-cpu'; readonly name: string; readonly cpu: number }
  | { readonly kind: 'task'; readonly pid: number }
  | { readonly kind: 'member'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'element'; readonly of: Expression; readonly index: number }
  | { readonly kind: 'target'; readonly of: Expression }
  | { readonly kind: 'address'; readonly of: Expression }
  | { readonly kind: 'cast'; readonly of: Expression; readonly type: TypeName };

/** Words that begin a type and never a variable. */
const TYPE_WORDS = new Set([
  'struct',
  'union',
  'enum',
  'unsigned',
  'signed',
  'char',
  'short',
  'int',
  'long',
  'void',
  '_Bool',
  'bool',
  'u8',
  'u16',
  'u32',
  'u64',
  's8',
  's16',
  's32',
  's64',
  'size_t',
  'atomic_t',
  'atomic64_t',
  'atomic_long_t',
]);
const TAGS = new Set(['struct', 'union', 'enum']);
const MAX_DEPTH = 64;

/** Reads an expression: the postfix operators of C, `*`, `&` and casts. @throws GuestError `guest-expression`. */
export function parseExpression(text: string): Expression {
  const tokens = tokensOf(text);
  let place = 0;
  let depth = 0;
  const fail = (why: string) => wrong(text, tokens[place]?.at ?? text.length, why);
  const peek = (): Token | undefined => tokens[place];
  const accept = (mark: string): boolean => {
    const token = peek();
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    place++;
    return true;
  };
  const expect = (mark: string) => {
    if (!accept(mark)) throw fail(`${mark} is missing`);
  };
  const name = (): string => {
    const token = peek();
    if (token?.kind !== 'name') throw fail('a name is missing');
    place++;
    return token.text;
  };
  const number = (): number => {
    const token = peek();
    if (token?.kind !== 'number' || token.value > 0x7fff_ffffn) throw fail('a number is missing');
    place++;
    return Number(token.value);
  };
  const isType = (): boolean => {
    const [token, next] = [tokens[place], tokens[place + 1]];
    if (token?.kind !== 'name') return false;
    if (TYPE_WORDS.has(token.text)) return true;
    // (name *)...: a typedef, since nothing is multiplied here.
    return next?.kind === 'mark' && next.text === '*';
  };
  const type = (): TypeName => {
    const first = name();
    const tag = TAGS.has(first) ? first : '';
    const words = tag === '' ? [first] : [name()];
    while (tag === '' && peek()?.kind === 'name') words.push(name());
    let pointers = 0;
    while (accept('*')) pointers++;
    return { tag, name: words.join(' '), pointers };
  };
  const primary = (): Expression => {
    const token = peek();
    if (accept('(')) {
      const inner = unary();
      expect(')');
      return inner;
    }
    if (token?.kind === 'number') {
      place++;
      return { kind: 'number', value: BigInt.asUintN(64, token.value) };
    }
    const word = name();
    if (word !== 'per_cpu' && word !== 'task') return { kind: 'variable', name: word };
    expect('(');
    if (word === 'task') {
      const pid = number();
      expect(')');
      return { kind: 'task', pid };
    }
    const variable = name();
    expect(',');
    const cpu = number();
    expect(')');
    return { kind: 'per-cpu', name: variable, cpu };
  };
  const postfix = (): Expression => {
    let result = primary();
    for (;;) {
      if (accept('.') || accept('->')) result = { kind: 'member', of: result, name: name() };
      else if (accept('[')) {
        result = { kind: 'element', of: result, index: number() };
        expect(']');
      } else return result;
    }
  };
  const unary = (): Expression => {
    if (++depth > MAX_DEPTH) throw fail('it is nested too deeply');
    if (accept('*')) return { kind: 'target', of: unary() };
    if (accept('&')) return { kind: 'address', of: unary() };
    const before = place;
    if (accept('(') && isType()) {
      const cast = type();
      expect(')');
      return { kind: 'cast', type: cast, of: unary() };
    }
    place = before;
    return postfix();
  };
  const result = unary();
  if (place < tokens.length) throw fail('nothing more was expected');
  return result;
}
