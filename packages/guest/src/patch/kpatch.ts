import { type ElfObject, invalid } from '../elf/index.ts';
import type { PatchedFunction } from './kinds.ts';
import type { Pointers } from './pointers.ts';

export const KPATCH_SECTION = '.kpatch.funcs';
/** struct kpatch_patch_func (kmod/patch/kpatch-patch.h of kpatch 0.9). */
const FUNCTION_BYTES = 56;
const FIELD = { newAddress: 0, position: 32, name: 40, object: 48 } as const;

/** The functions that a module of kpatch-build replaces. */
export function kpatchFunctions(elf: ElfObject, pointers: Pointers): PatchedFunction[] {
  const section = pointers.section(KPATCH_SECTION);
  if (section === undefined) return [];
  const { bytes, index } = section;
  if (bytes.length % FUNCTION_BYTES !== 0) {
    throw invalid(
      elf.file,
      `section ${KPATCH_SECTION} has ${bytes.length} bytes, no multiple of ${FUNCTION_BYTES}`,
    );
  }
  return Array.from({ length: bytes.length / FUNCTION_BYTES }, (_, number) => {
    const at = number * FUNCTION_BYTES;
    const replacement = pointers.follow(index, at + FIELD.newAddress);
    const name = pointers.string(index, at + FIELD.name);
    const object = pointers.string(index, at + FIELD.object);
    if (replacement?.kind !== 'section' || name === undefined || object === undefined) {
      throw invalid(elf.file, `${KPATCH_SECTION}[${number}] names no function, object or replacement`);
    }
    return { object, name, position: positionOf(bytes, at + FIELD.position, elf.file, name), replacement };
  });
}

/** More than any patch replaces; a file may claim one list of functions many times over. */
export const MAX_FUNCTIONS = 4096;

/** A position field of livepatch: 0 for a name that is there once. */
export function positionOf(bytes: Buffer, at: number, file: string, name: string): number {
  const position = at + 8 <= bytes.length ? bytes.readBigUInt64LE(at) : 0n;
  if (position > 0xffff_ffffn) throw invalid(file, `the position of ${name} is ${position}`);
  return Number(position);
}
