import { expect, test } from 'vitest';
import { understandKernel } from '../attach/attach.ts';
import { type TestKernel, testKernel } from '../testing/test-kernel.ts';
import { DESCRIPTOR, INFO, RING } from '../testing/test-types.ts';

const understand = (of: TestKernel) => understandKernel(of.memory, of.registers, { cache: null });

test('messages are read in order, one that reaches over the end of the buffer too', async () => {
  expect((await understand(testKernel())).messages()).toEqual([
    { sequence: '0', seconds: 0, level: 6, facility: 0, text: 'Booted' },
    { sequence: '1', seconds: 1.5, level: 6, facility: 0, text: 'one\ntwo\\x1b[31m' },
    { sequence: '2', seconds: 3, level: 6, facility: 0, text: 'behind the end' },
  ]);
});

/** The messages after a lie about the second of the three. */
async function textsAfter(lie: (of: TestKernel, descriptor: Buffer, info: Buffer) => unknown) {
  const of = testKernel();
  const kernel = await understand(of);
  lie(of, of.at(of.ring.descriptors + BigInt(DESCRIPTOR.size)), of.at(of.ring.infos + BigInt(INFO.size)));
  return kernel.messages().map(({ text }) => text);
}

test.each([
  [
    'is written just now',
    (_, descriptor) => descriptor.writeBigUInt64LE(0x3fff_ffff_ffff_fff9n, DESCRIPTOR.state),
  ],
  ['was used anew', (_, descriptor) => descriptor.writeBigUInt64LE((2n << 62n) | 5n, DESCRIPTOR.state)],
  ['has the text of another', (of) => of.at(of.ring.data + 40n).writeBigUInt64LE(77n)],
  ['ends before it begins', (_, descriptor) => descriptor.writeBigUInt64LE(44n, DESCRIPTOR.next)],
  [
    'begins beyond all positions',
    (_, descriptor) => descriptor.writeBigUInt64LE(2n ** 63n, DESCRIPTOR.begin),
  ],
] as [string, (of: TestKernel, descriptor: Buffer) => unknown][])(
  'a record that %s is left out',
  async (_, lie) => {
    expect(await textsAfter(lie)).toEqual(['Booted', 'behind the end']);
  },
);

test('a text that says to be longer than its block ends with the block; one without a block is empty', async () => {
  const long = await textsAfter((_, __, info) => info.writeUInt16LE(0xffff, INFO.length));
  expect(long[1]).toBe('one\ntwo\\x1b[31m\\x00\\x00\\x00\\x00');
  const empty = await textsAfter((_, descriptor) => {
    descriptor.writeBigUInt64LE(3n, DESCRIPTOR.begin);
    descriptor.writeBigUInt64LE(3n, DESCRIPTOR.next);
  });
  expect(empty).toEqual(['Booted', '', 'behind the end']);
});

test.each([
  ['2^32 records', (ring: Buffer) => ring.writeUInt32LE(32, RING.countBits), 'it has 2^32 descriptors'],
  [
    '2^40 bytes of text',
    (ring: Buffer) => ring.writeUInt32LE(40, RING.sizeBits),
    'it has 2^40 bytes of text',
  ],
  ['no text at all', (ring: Buffer) => ring.writeUInt32LE(0, RING.sizeBits), 'it has 2^0 bytes of text'],
  ['more records than places', (ring: Buffer) => ring.writeBigUInt64LE(0n, RING.tail), 'records in 8 places'],
  [
    'an end before its beginning',
    (ring: Buffer) => ring.writeBigUInt64LE(0n, RING.head),
    'records in 8 places',
  ],
] as [string, (ring: Buffer) => unknown, string][])('a buffer with %s is refused', async (_, lie, why) => {
  const of = testKernel();
  const kernel = await understand(of);
  lie(of.at(of.ring.at));
  expect(() => kernel.messages()).toThrow(why);
});

test('a buffer that lies nowhere is refused by its address', async () => {
  const of = testKernel();
  const kernel = await understand(of);
  of.at(of.address('prb')).writeBigUInt64LE(0x10n);
  expect(() => kernel.messages()).toThrow('Kernel address 0x10 is not mapped.');
});
