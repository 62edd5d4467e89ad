import { expect, test } from 'vitest';
import { jumpTo } from './jump.ts';

const AT = 0xffff_ffff_8100_0004n;

test('a jump goes from behind itself, forwards and back', () => {
  expect(jumpTo(AT, AT + 5n, 5).toString('hex')).toBe('e900000000');
  expect(jumpTo(AT, AT + 5n + 0x1234n, 5).toString('hex')).toBe('e934120000');
  expect(jumpTo(AT, AT - 0x10n, 5).toString('hex')).toBe('e9ebffffff');
});

test('what is left of longer instructions traps', () => {
  expect(jumpTo(AT, AT + 5n, 8).toString('hex')).toBe('e900000000cccccc');
});

test('farther than a jump reaches is refused', () => {
  expect(jumpTo(AT, AT + 5n - 0x8000_0000n, 5).toString('hex')).toBe('e900000080');
  expect(() => jumpTo(AT, AT + 5n - 0x8000_0001n, 5)).toThrow(
    expect.objectContaining({
      code: 'guest-jump-too-far',
      message: 'No jump reaches from 0xffffffff81000004 to 0xffffffff01000008.',
    }),
  );
});
