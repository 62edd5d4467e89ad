import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';

/** What every module says of itself. */
export const MODINFO = `
  .section .modinfo, "a"
  .asciz "vermagic=6.12.1 SMP"
  .asciz "name=fix"
`;

/** The object file that GNU as makes of a text. */
export async function assemble(text: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'exuvia-assemble-'));
  try {
    await writeFile(join(folder, 'a.s'), `${text}\n`);
    await run('as', ['--64', '-mrelax-relocations=no', '-o', join(folder, 'a.o'), join(folder, 'a.s')]);
    return await readFile(join(folder, 'a.o'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A patch of the SDK that replaces `old_function` by `code`, with more sections behind it. */
export function patchText(code: string, more = ''): string {
  return `
  .text
  .globl new_function
  .type new_function, @function
new_function:
  ${code}
  .size new_function, .-new_function
${more}
  .section .rodata.names, "a"
object: .asciz "vmlinux"
old: .asciz "old_function"
  .section .exuvia.functions, "a"
  .balign 8
  .quad object, old, 0, new_function
${MODINFO}`;
}
