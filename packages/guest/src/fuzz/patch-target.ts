import { linkPatch, linkSizes } from '../link/index.ts';
import { describePatch, readPatch } from '../patch/index.ts';
import { assemble, patchText } from '../testing/assemble.ts';
import { testTarget } from '../testing/link-target.ts';
import { applyEdits } from './edits.ts';
import type { FuzzTarget } from './targets.ts';

const SYMBOLS = { callee: 0xffff_ffff_8100_1000n, variable: 0xffff_ffff_8140_0000n };
const PLACE = { code: 0xffff_ffff_8200_0000n, data: 0xffff_ffff_8210_0000n };

const TEXTS: readonly string[] = [
  patchText('ret'),
  patchText(
    `call callee
  movl variable(%rip), %eax
  movq $variable, %rdi
  leaq table(%rip), %rdx
  ret`,
    '.data\ntable: .quad callee + 1\n.long callee - .\n.bss\n.fill 64',
  ),
  patchText(
    'ret',
    `.section .rodata.str1.1, "aMS", @progbits, 1
.asciz "a text"
.section __ex_table, "a"
.long 0, 0, 0
.section .klp.rela.vmlinux..text, "a"
.quad 0, 0, 0`,
  ),
];

/** Patch files as they come from somebody else's machine. Assembled once: the assembler is not what is tested. */
export async function patchTarget(): Promise<FuzzTarget> {
  const files = await Promise.all(TEXTS.map((text) => assemble(text)));
  return {
    name: 'patch',
    variants: files.length,
    // The last one asks for what is refused.
    sound: files.length - 1,
    subject(variant) {
      const bytes = Buffer.from(files[variant] ?? Buffer.alloc(0));
      const headers = Number(bytes.readBigUInt64LE(40));
      return {
        bytes,
        areas: [
          { from: 0, length: 64 },
          { from: headers, length: bytes.length - headers },
          { from: 0, length: bytes.length },
        ],
        run(edits, outcome) {
          applyEdits(bytes, edits);
          const patch = outcome.attempt('read', () => readPatch(bytes, 'fuzzed.ko'));
          if (patch === undefined) return;
          outcome.note(`read: ${patch.refusals.map(({ why }) => why.replaceAll(/[0-9]+/g, '#')).join('; ')}`);
          outcome.attempt('describe', () => describePatch(patch));
          outcome.attempt('sizes', () => linkSizes(patch));
          outcome.attempt('link', () => linkPatch(patch, testTarget({ symbols: SYMBOLS }), PLACE));
        },
      };
    },
  };
}
