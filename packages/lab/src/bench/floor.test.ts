import { expect, test } from 'vitest';
import { cyclesBetween } from './floor.ts';

test('the cycles between the two stamps are found among what a console says', () => {
  const log = 'login: \r\nfloor-jump 1000\r\n[    0.1] x\r\n\r\nfloor-init 9223372036854776000\r\nBdsDxe\r\n';
  expect(cyclesBetween(log)).toBe(9223372036854775000);
});

test('half a line is no stamp', () => {
  expect(cyclesBetween('\nfloor-jump 1000\r\n\nfloor-init 92')).toBeNull();
  expect(cyclesBetween('\nfloor-jump 1000\r\n\nfloor-init 9200\r\n')).toBe(8200);
});
