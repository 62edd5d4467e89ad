import { describe, expect, test } from 'vitest';
import { packet } from './packets.ts';
import { attachScript, inSends, lookScript, readLook, verifyWrites, writeScript } from './script.ts';

const PHYSICAL = packet('Qqemu.PhyMemMode:1');
const VIRTUAL = packet('Qqemu.PhyMemMode:0');

/** An x86-64 register file as QEMU sends it: rax ... r15, rip, eflags, cs. */
function registerFile(rip: bigint, rsp: bigint, cs: number): string {
  const bytes = Buffer.alloc(608);
  bytes.writeBigUInt64LE(7n, 0);
  bytes.writeBigUInt64LE(rsp, 56);
  bytes.writeBigUInt64LE(rip, 128);
  bytes.writeUInt32LE(0x246, 136);
  bytes.writeUInt32LE(cs, 140);
  return bytes.toString('hex');
}

describe('a look', () => {
  const script = lookScript('shared', [0, 2], [{ physical: 0x2000, length: 2 }]);

  test('stops the VM, reads every vCPU and the memory, and leaves addressing as it was', () => {
    const registers = ['Hg1', 'g', 'Hg3', 'g'].map(packet).join('');
    expect(script.text).toBe(`\x03${registers}${PHYSICAL}${packet('m2000,2')}${VIRTUAL}+`);
    expect(script.answers).toBe(7);
  });

  test('through a gdbserver of ours does not change its addressing', () => {
    const { text, answers } = lookScript('ours', [0], [{ physical: 0x2000, length: 2 }]);
    expect(text).toBe(`\x03${['Hg1', 'g', 'm2000,2'].map(packet).join('')}+`);
    expect(answers).toBe(3);
    const seen = readLook(
      'ours',
      ['OK', registerFile(1n, 2n, 0x33), 'cc90'],
      [0],
      [{ physical: 0x2000, length: 2 }],
    );
    expect(seen).toMatchObject({ registers: [{ cs: 0x33 }], memory: [Buffer.from('cc90', 'hex')] });
    expect(attachScript('ours', 'continue').text).toBe(`${PHYSICAL}${packet('c')}`);
    expect(attachScript('shared', 'stand').text).toBe(`${VIRTUAL}+`);
  });

  test('is read back into registers and memory', () => {
    const file = registerFile(0xffff_ffff_8100_0000n, 0xffff_c900_0000_0ff8n, 0x10);
    const seen = readLook(
      'shared',
      ['OK', file, 'OK', registerFile(1n, 2n, 0x33), 'OK', 'cc90', 'OK'],
      [0, 2],
      [{ physical: 0x2000, length: 2 }],
    );
    expect(seen.memory).toEqual([Buffer.from('cc90', 'hex')]);
    expect(seen.registers[0]).toMatchObject({
      rip: 0xffff_ffff_8100_0000n,
      rsp: 0xffff_c900_0000_0ff8n,
      rflags: 0x246n,
      cs: 0x10,
      general: { rax: 7n, rsp: 0xffff_c900_0000_0ff8n },
    });
    expect(seen.registers[1]?.cs).toBe(0x33);
  });

  test.each([
    [
      'memory that cannot be read',
      ['OK', 'E14', 'OK'],
      'did not read 2 bytes at guest-physical address 0x2000: E14.',
    ],
    ['a mode that QEMU does not know', ['', 'cc90', ''], 'refused physical addressing: .'],
  ])('%s is an error', (_, answers, message) => {
    expect(() => readLook('shared', answers, [], [{ physical: 0x2000, length: 2 }])).toThrow(
      expect.objectContaining({ code: 'guest-gdb-protocol', message: `QEMU's gdbstub ${message}` }),
    );
  });

  test('a register file of another processor is refused', () => {
    expect(() => readLook('shared', ['OK', '00'.repeat(64), 'OK', 'OK'], [0], [])).toThrow(
      expect.objectContaining({ code: 'guest-gdb-protocol', hint: 'Only x86-64 VMs can be patched.' }),
    );
  });
});

describe('writes', () => {
  const write = { physical: 0x3000, bytes: Buffer.from('e901020304', 'hex') };

  test('are read back in the same send', () => {
    expect(writeScript('shared', [write])).toEqual({
      text: `${PHYSICAL}${packet('M3000,5:e901020304')}${packet('m3000,5')}${VIRTUAL}`,
      answers: 4,
    });
    expect(writeScript('shared', [])).toEqual({ text: '', answers: 0 });
  });

  test('are sent in order, and the last that fit together with the word to go on', () => {
    const long = { physical: 0x1000, bytes: Buffer.alloc(2001, 0xcc) };
    const short = Array.from({ length: 3 }, (_, index) => ({ ...write, physical: 0x5000 + index * 8 }));
    expect(inSends('shared', [long, ...short])).toEqual([[long], short]);
    expect(inSends('shared', [])).toEqual([[]]);
  });

  test('through a gdbserver of ours are nothing else', () => {
    expect(writeScript('ours', [write])).toEqual({
      text: `${packet('M3000,5:e901020304')}${packet('m3000,5')}`,
      answers: 2,
    });
    expect(() => verifyWrites('ours', ['OK', 'e901020304'], [write])).not.toThrow();
    expect(() => verifyWrites('ours', ['OK', '0f1f440000'], [write])).toThrow(
      '0x3000: it answered 0f1f440000.',
    );
  });

  test('longer ones are cut to what QEMU takes in a packet', () => {
    const { text, answers } = writeScript('shared', [{ physical: 0x1000, bytes: Buffer.alloc(2001, 0xcc) }]);
    expect(text).toContain('$M1000,7d0:');
    expect(text).toContain('$M17d0,1:cc#');
    expect(answers).toBe(6);
  });

  test('that are there pass; one that is not is named', () => {
    expect(() => verifyWrites('shared', ['OK', 'OK', 'e901020304', 'OK'], [write])).not.toThrow();
    expect(() => verifyWrites('shared', ['OK', 'E22', '0f1f440000', 'OK'], [write])).toThrow(
      expect.objectContaining({
        code: 'guest-write-lost',
        message: "QEMU's gdbstub did not write 5 bytes at guest-physical address 0x3000: it answered E22.",
      }),
    );
  });
});
