import { expect, test } from 'vitest';
import { hugeShare } from './huge-pages.ts';

const lines = (...extents: string[]) => `\
Filesystem type is: ef53
File size of /var/lib/exuvia/store/vms/tiny/ram is 268435456 (65536 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
${extents.join('\n')}
/var/lib/exuvia/store/vms/tiny/ram: 1 extent found`;

test('one aligned extent, as the store makes it on an empty device, is mapped with huge pages as a whole', () => {
  expect(
    hugeShare(lines('   0:        0..   65535:      34816..    100351:  65536:             last,eof')),
  ).toBe(1);
});

test('an extent that is shifted against the file has no huge pages', () => {
  expect(
    hugeShare(lines('   0:        0..   65535:      34817..    100352:  65536:             last,eof')),
  ).toBe(0);
});

test('of a piece only its whole huge pages count', () => {
  const share = hugeShare(
    lines(
      '   0:        0..    1279:       2048..      3327:   1280:',
      '   1:     1280..    2047:       9000..      9767:    768:       3328: last,eof',
    ),
  );
  expect(share).toBe(1024 / 2048);
});
