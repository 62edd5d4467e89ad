import { expect, test } from 'vitest';
import { grubKeepsChoice } from './one-time.ts';

test.each([
  ['ext2', '', null],
  ['xfs', '', null],
  ['ext2', 'lvm', '/boot/grub lies on lvm,'],
  ['ext2', 'diskfilter\nmdraid1x', '/boot/grub lies on diskfilter, mdraid1x,'],
  ['btrfs', '', '/boot/grub lies on btrfs,'],
])('GRUB on %s (%s)', (fileSystem, abstraction, problem) => {
  const said = grubKeepsChoice(fileSystem, abstraction);
  expect(said?.slice(0, problem?.length) ?? null).toBe(problem);
});
