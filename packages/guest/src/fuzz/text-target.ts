import { parseLines, renderLine } from '../journal/lines.ts';
import { parseSystemRegisters } from '../locate/registers.ts';
import { PacketReader, packet } from '../machine/gdb/packets.ts';
import { parseMemoryTree } from '../memory/mtree.ts';
import { parseExpression } from '../read/syntax.ts';
import { applyEdits } from './edits.ts';
import type { FuzzTarget } from './targets.ts';

const TEXTS: readonly (readonly [string, (text: Buffer) => unknown])[] = [
  [
    `FlatView #0
 AS "memory", root: system
 Root memory region: system
  0000000000000000-00000000000bffff (prio 0, ram): ram KVM
  00000000000c0000-00000000000dffff (prio 0, rom): ram @00000000000c0000
  0000000100000000-00000001bfffffff (prio 0, ram): ram @0000000080000000
`,
    (text) => parseMemoryTree(text.toString('latin1')),
  ],
  [
    `RAX=0000000000000000 RBX=ffffffff81000000
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=00007f0000000000 CR3=0000000002810000 CR4=000006f0
`,
    (text) => parseSystemRegisters(text.toString('latin1')),
  ],
  [
    `+${packet('T05thread:p01.01;')}+${packet('OK')}`,
    (text) => new PacketReader().push(text.toString('latin1')),
  ],
  [
    '((struct list_head *)per_cpu(runqueues, 1).idle->tasks)[3].next',
    (text) => parseExpression(text.toString('latin1')),
  ],
  [
    renderLine({ kind: 'switched', id: 'fix' }) + renderLine({ kind: 'complete', id: 'fix' }),
    (text) => parseLines('journal', text.toString('utf8')),
  ],
];

/** Texts that QEMU, a user or a disk hands over. */
export const TEXT_TARGET: FuzzTarget = {
  name: 'texts',
  variants: TEXTS.length,
  sound: TEXTS.length,
  subject(variant) {
    const [text, parse] = TEXTS[variant] ?? ['', () => undefined];
    const bytes = Buffer.from(text, 'latin1');
    return {
      bytes,
      areas: [{ from: 0, length: bytes.length }],
      run(edits, outcome) {
        applyEdits(bytes, edits);
        outcome.attempt(`text ${variant}`, () => parse(bytes));
      },
    };
  },
};
