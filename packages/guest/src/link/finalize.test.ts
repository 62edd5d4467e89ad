import { describe, expect, test } from 'vitest';
import { readPatch } from '../patch/index.ts';
import { assemble, patchText } from '../testing/assemble.ts';
import { type TestTargetOptions, testTarget } from '../testing/link-target.ts';
import { linkPatch } from './link.ts';

const CODE = 0xffff_ffff_8200_0000n;
const THUNK = 0xffff_ffff_8180_0000n;
const VARIABLE = 0xffff_ffff_8190_0000n;
const linked = async (code: string, more: string, target: TestTargetOptions = {}) => {
  const patch = readPatch(await assemble(patchText(code, more)), 'fix.ko');
  return linkPatch(patch, testTarget(target), { code: CODE, data: CODE + 0x10_0000n }).code.bytes;
};
const link = async (...args: Parameters<typeof linked>) => (await linked(...args)).toString('hex');
const pointer = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};

describe('returns', () => {
  const SITES = '.section .return_sites, "a"\n.long site - .';
  const target = (chosen: bigint, more: Record<string, bigint> = {}) => ({
    symbols: { __x86_return_thunk: THUNK, x86_return_thunk: VARIABLE, ...more },
    memory: new Map([[VARIABLE, pointer(chosen)]]),
  });

  test('are plain where the guest has not chosen a thunk', async () => {
    expect(await link('site: jmp __x86_return_thunk', SITES, target(THUNK))).toBe('c3cccccccc');
  });

  test('jump to the thunk that the guest has chosen', async () => {
    const srso = { srso_return_thunk: CODE + 0x1005n };
    expect(await link('site: jmp __x86_return_thunk', SITES, target(CODE + 0x1005n, srso))).toBe(
      'e900100000',
    );
  });

  test('against target selection, only those in the lower half of a cache line jump', async () => {
    const its = { its_return_thunk: CODE + 0x1005n };
    const code = 'site: jmp __x86_return_thunk\n .fill 27, 1, 0x90\nupper: jmp __x86_return_thunk';
    const bytes = await link(code, `${SITES}\n.long upper - .`, target(CODE + 0x1005n, its));
    expect(bytes).toBe(`e900100000${'90'.repeat(27)}c3cccccccc`);
  });

  test('are refused where objtool has not listed them, or a hostile guest names no function', async () => {
    await expect(link('jmp __x86_return_thunk', '', target(THUNK))).rejects.toThrow(
      'Relocation .rela.text[0] is against __x86_return_thunk, and .return_sites does not list it: objtool has not been run on the patch.',
    );
    await expect(link('site: jmp __x86_return_thunk', SITES, target(0x1234n))).rejects.toThrow(
      'x86_return_thunk of the guest names 0x1234, where no function begins.',
    );
    await expect(link('site: nop\n ret', SITES, target(THUNK))).rejects.toThrow(
      'Entry .return_sites[0] of the patch cannot be honoured: there is no jump to __x86_return_thunk.',
    );
  });
});

describe('indirect branches', () => {
  const SITES = '.section .retpoline_sites, "a"\n.long site - .';
  const RAX = CODE + 0x2000n;
  const R11 = CODE + 0x2100n;
  const target = (thunk: string, its = false): TestTargetOptions => ({
    symbols: {
      __x86_indirect_thunk_rax: RAX,
      __x86_indirect_thunk_r11: R11,
      ...(its ? { x86_return_thunk: VARIABLE, its_return_thunk: THUNK } : {}),
    },
    memory: new Map([
      [RAX, Buffer.from(thunk.padEnd(32, 'c'), 'hex')],
      [VARIABLE, pointer(THUNK)],
    ]),
  });
  const code = 'site: call __x86_indirect_thunk_rax';
  const branch = async (text: string, options: TestTargetOptions, bytes = 5) =>
    (await linked(text, SITES, options)).toString('hex', 0, bytes);

  test('go through the thunk where the guest uses retpolines', async () => {
    expect(await branch(code, target('e801000000cc48890424c3'))).toBe('e8fb1f0000');
  });

  test('are plain where it does not', async () => {
    expect(await branch(code, target('ffe0cc'))).toBe('ffd00f1f00');
    expect(await branch('site: jmp __x86_indirect_thunk_rax', target('ffe0cc'))).toBe('ffe0cc6690');
    expect(await branch('site: .byte 0x2e\n call __x86_indirect_thunk_r11', target('ffe0cc'), 6)).toBe(
      '41ffd30f1f00',
    );
    expect(await branch('site: jne __x86_indirect_thunk_rax', target('ffe0cc'), 6)).toBe('7404ffe0cc90');
  });

  test('follow an LFENCE where it wants one', async () => {
    expect(await branch(code, target('0faee8ffe0cc'))).toBe('0faee8ffd0');
  });

  test('use thunks in the upper half of a cache line against target selection', async () => {
    const bytes = await linked(code, SITES, target('ffe0cc', true));
    expect(bytes.toString('hex', 0, 5)).toBe('e85b000000');
    // 64 is the first cache line behind the code; 32 its upper half.
    expect(bytes.toString('hex', 0x60, 0x63)).toBe('ffe0cc');
  });

  test('are refused where a thunk is none that a kernel can choose', async () => {
    await expect(branch(code, target('9090'))).rejects.toThrow(
      '__x86_indirect_thunk_rax of the guest is none of the thunks that its kernel can choose',
    );
  });
});

describe('alternatives', () => {
  const features = (...numbers: number[]): TestTargetOptions => {
    const cpu = Buffer.alloc(128);
    for (const number of numbers) {
      const at = 8 + Math.floor(number / 32) * 4;
      cpu.writeUInt32LE((cpu.readUInt32LE(at) | (1 << (number % 32))) >>> 0, at);
    }
    return { symbols: { boot_cpu_data: VARIABLE }, memory: new Map([[VARIABLE, cpu]]) };
  };
  const table = (entry: string) => `
  .section .altinstr_replacement, "ax"
replacement: call old_function
end:
  .section .altinstructions, "a"
  ${entry}`;
  const entry14 = (feature: number, flags = 0) =>
    table(`.long site - ., replacement - .\n.word ${feature}, ${flags}\n.byte 6, 5`);
  const entry12 = (feature: number) => table(`.long site - ., replacement - .\n.word ${feature}\n.byte 6, 5`);
  const code = 'site: .fill 6, 1, 0x90\n ret';
  // call 0xffffffff81000100 from 0xffffffff82000000, and a NOP.
  const replaced = 'e8fb0000ff90c3';

  test.each([
    ['14 bytes', entry14(70), [70], replaced],
    ['14 bytes, the feature missing', entry14(70), [71], '909090909090c3'],
    ['14 bytes, for the feature missing', entry14(70, 1), [71], replaced],
    ['12 bytes', entry12(5), [5], replaced],
    ['12 bytes, for the feature missing', entry12(0x8000 | 5), [], replaced],
    ['12 bytes, not for the feature missing', entry12(0x8000 | 5), [5], '909090909090c3'],
  ])('are chosen by what the guest’s CPU has, and moved: %s', async (_, more, numbers, expected) => {
    expect(await link(code, more, features(...numbers))).toBe(expected);
  });

  test('become direct calls of what a pointer of the guest names', async () => {
    const options = (value: bigint, more: Record<string, bigint> = {}): TestTargetOptions => ({
      symbols: { ...features(1).symbols, pv_ops: CODE + 0x1000n, nop_func: THUNK, ...more },
      memory: new Map([...(features(1).memory ?? []), [CODE + 0x1000n, pointer(value)]]),
    });
    const call = 'site: call *pv_ops(%rip)\n ret';
    expect(await link(call, entry14(1, 2), options(CODE + 0x105n))).toBe('e80001000090c3');
    expect(await link(call, entry14(1, 2), options(THUNK))).toBe('660f1f440000c3');
    expect(await link(call, entry14(1, 2), options(0n, { BUG_func: CODE + 0x205n }))).toBe('e80002000090c3');
    await expect(link(code, entry14(1, 2), options(THUNK))).rejects.toThrow(
      'Entry .altinstructions[0] of the patch cannot be honoured: it is no call through a pointer.',
    );
  });

  test('are refused for features that the guest’s kernel does not know, and for unknown flags', async () => {
    await expect(link(code, entry14(9999), features())).rejects.toThrow(
      "The guest's kernel knows no CPU feature 9999.",
    );
    await expect(link(code, entry14(1, 8), features(1))).rejects.toThrow(
      'Entry .altinstructions[0] of the patch cannot be honoured: its flags are 0x8.',
    );
  });
});

describe('other tables', () => {
  test('calls of __fentry__ become NOPs', async () => {
    const sites = '.section __mcount_loc, "a"\n.quad site';
    const symbols = { __fentry__: 0xffff_ffff_8100_0000n };
    expect(await link('site: call __fentry__\n ret', sites, { symbols })).toBe('0f1f440000c3');
    await expect(link('site: call old_function\n ret', sites, { symbols })).rejects.toThrow(
      'Entry __mcount_loc[0] of the patch cannot be honoured: there is no call to __fentry__.',
    );
  });

  test('paravirt calls of Linux 6.1 become direct ones', async () => {
    const sites = '.section .parainstructions, "a"\n.quad site\n.byte 1, 6\n.fill 6';
    const target = (operation: bigint): TestTargetOptions => ({
      symbols: { pv_ops: VARIABLE, _paravirt_nop: THUNK, paravirt_BUG: CODE + 0x305n },
      memory: new Map([[VARIABLE, Buffer.concat([pointer(0x99n), pointer(operation)])]]),
      sizes: { paravirt_patch_template: 16 },
    });
    const code = 'site: .byte 0xff, 0x15, 0, 0, 0, 0\n ret';
    expect(await link(code, sites, target(CODE + 0x105n))).toBe('e80001000090c3');
    expect(await link(code, sites, target(THUNK))).toBe('660f1f440000c3');
    expect(await link(code, sites, target(0n))).toBe('e80003000090c3');
    await expect(link(code, sites.replace('.byte 1', '.byte 2'), target(THUNK))).rejects.toThrow(
      'Entry .parainstructions[0] of the patch cannot be honoured: the guest has no paravirt operation 2.',
    );
  });

  test('static calls stay calls of the guest’s trampolines', async () => {
    const sites = '.section .static_call_sites, "aw"\n.long site - ., 0';
    const symbols = { __SCT__might_resched: CODE + 0x105n, other: CODE + 0x105n };
    expect(await link('site: call __SCT__might_resched\n ret', sites, { symbols })).toBe('e800010000c3');
    await expect(link('site: call old_function\n ret', sites, { symbols })).rejects.toThrow(
      'Entry .static_call_sites[0] of the patch cannot be honoured: it does not call a trampoline of the guest.',
    );
  });

  test('LOCK prefixes go only where there is one CPU for ever', async () => {
    const sites = '.section .smp_locks, "a"\n.long site - .';
    const target = (patched: number, possible: number): TestTargetOptions => ({
      symbols: { uniproc_patched: VARIABLE, __cpu_possible_mask: THUNK },
      memory: new Map([
        [VARIABLE, Buffer.from([patched])],
        [THUNK, Buffer.from([possible, 0])],
      ]),
      sizes: { cpumask: 2 },
    });
    const code = 'site: lock incl (%rdi)\n ret';
    expect(await link(code, sites, target(1, 1))).toBe('3eff07c3');
    expect(await link(code, sites, target(1, 3))).toBe('f0ff07c3');
    expect(await link(code, sites, target(0, 1))).toBe('f0ff07c3');
  });

  test('ENDBR that nobody jumps to is taken away', async () => {
    expect(await link('site: endbr64\n ret', '.section .ibt_endbr_seal, "a"\n.long site - .')).toBe(
      '660f1f00c3',
    );
  });

  test('a guest that tracks call depth is refused', async () => {
    const sites = '.section .call_sites, "a"\n.long site - .';
    const target = (value: number): TestTargetOptions => ({
      symbols: { thunks_initialized: VARIABLE },
      memory: new Map([[VARIABLE, Buffer.from([value])]]),
    });
    expect(await link('site: call old_function\n ret', sites, target(0))).toBe('e8fb0000ffc3');
    await expect(link('site: call old_function\n ret', sites, target(1))).rejects.toThrow(
      'Entry .call_sites[0] of the patch cannot be honoured: the guest tracks call depth (retbleed=stuff), and the patch’s calls would not be counted.',
    );
  });
});
