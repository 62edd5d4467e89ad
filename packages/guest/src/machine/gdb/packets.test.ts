import { describe, expect, test } from 'vitest';
import { isStopReply, PacketReader, packet, readPacket, writePacket } from './packets.ts';

test('a packet carries the sum of its characters', () => {
  expect(packet('g')).toBe('$g#67');
  expect(packet('Qqemu.PhyMemMode:1')).toBe('$Qqemu.PhyMemMode:1#77');
  expect(packet('')).toBe('$#00');
});

test('addresses, lengths and bytes are hexadecimal', () => {
  expect(readPacket(0x1f_e000, 5)).toBe(packet('m1fe000,5'));
  expect(writePacket(0x1000, Buffer.from('e9deadbeef', 'hex'))).toBe(packet('M1000,5:e9deadbeef'));
});

test('a stop reply is told from an answer', () => {
  expect(['T02thread:01;', 'S05'].map(isStopReply)).toEqual([true, true]);
  expect(['OK', 'E22', '0011', ''].map(isStopReply)).toEqual([false, false, false, false]);
});

describe('a stream of packets', () => {
  test('acknowledgements between packets are passed over', () => {
    expect(new PacketReader().push('++$OK#9a+$#00')).toEqual(['OK', '']);
  });

  test('a packet may come in pieces, down to its checksum', () => {
    const reader = new PacketReader();
    expect(reader.push('+$O')).toEqual([]);
    expect(reader.push('K#9')).toEqual([]);
    expect(reader.push('a+$g')).toEqual(['OK']);
    expect(reader.push('#67')).toEqual(['g']);
  });

  test.each([
    ['a wrong checksum', '$OK#9b', '"$OK#9b"'],
    ['no packet at all', 'HTTP/1.1 400 Bad Request', '"HTTP/1.1 400 Bad Req"'],
    ['a request to send again', '-', '"-"'],
  ])('%s ends it', (_, text, shown) => {
    expect(() => new PacketReader().push(text)).toThrow(
      expect.objectContaining({
        code: 'guest-gdb-protocol',
        message: `QEMU's gdbstub sent ${shown}, which is no packet.`,
      }),
    );
  });

  test('a packet without an end is not kept for ever', () => {
    const reader = new PacketReader();
    const push = () => {
      for (let count = 0; count < 40; count++) reader.push('$'.padEnd(65_536, '0'));
    };
    expect(push).toThrow(expect.objectContaining({ code: 'guest-gdb-protocol' }));
  });
});
