import { expect, test } from 'vitest';
import { grubEnvironment, menuEntryId } from './disk.ts';

test('the environment block of GRUB has 1024 bytes, whatever is in it', () => {
  const text = grubEnvironment({ saved_entry: 'one', next_entry: 'two' });
  expect(text).toHaveLength(1024);
  expect(text.replace(/#+$/, '')).toBe('# GRUB Environment Block\nsaved_entry=one\nnext_entry=two\n');
});

test('menu entries have the ids that update-grub gives them', () => {
  expect(menuEntryId('6.12.117+deb13-cloud-amd64')).toBe(
    'gnulinux-6.12.117+deb13-cloud-amd64-advanced-8f3c5e0a-6b1d-4a52-9c77-ec51b0d6a001',
  );
});
