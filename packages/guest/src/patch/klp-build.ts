import { type ElfObject, type ElfSection, invalid } from '../elf/index.ts';
import type { PatchedFunction, Refusal } from './kinds.ts';
import { MAX_FUNCTIONS, positionOf } from './kpatch.ts';
import type { Pointers } from './pointers.ts';

export const KLP_BUILD_SECTION = '.init.klp_objects';
/** struct klp_object_ext and klp_func_ext (include/linux/livepatch_external.h, Linux 6.19 to 7.2). */
const OBJECT_BYTES = 64;
const MAX_OBJECTS = 256;
const FUNCTION_BYTES = 24;
const OBJECT = { name: 0, functions: 8, callbacks: [16, 24, 32, 40], count: 56 } as const;

/** The functions that a module of klp-build replaces, and its callbacks, which are refused. */
export function klpBuildFunctions(
  elf: ElfObject,
  pointers: Pointers,
): { functions: PatchedFunction[]; refusals: Refusal[] } {
  const section = pointers.section(KLP_BUILD_SECTION);
  if (section === undefined) return { functions: [], refusals: [] };
  if (section.bytes.length % OBJECT_BYTES !== 0) {
    throw invalid(
      elf.file,
      `section ${KLP_BUILD_SECTION} has ${section.bytes.length} bytes, no multiple of ${OBJECT_BYTES}`,
    );
  }
  const objects = Array.from({ length: section.bytes.length / OBJECT_BYTES }, (_, index) => index);
  if (objects.length > MAX_OBJECTS) {
    throw invalid(
      elf.file,
      `section ${KLP_BUILD_SECTION} has ${objects.length} objects; at most ${MAX_OBJECTS} are read`,
    );
  }
  return {
    functions: objects.flatMap((index) => functionsOf(elf, pointers, section, index)),
    refusals: objects
      .filter((index) =>
        OBJECT.callbacks.some((field) => pointers.at(section.index, index * OBJECT_BYTES + field)),
      )
      .map((index) => ({ section: KLP_BUILD_SECTION, index, why: 'callbacks are not run' })),
  };
}

function functionsOf(
  elf: ElfObject,
  pointers: Pointers,
  section: ElfSection,
  number: number,
): PatchedFunction[] {
  const at = number * OBJECT_BYTES;
  const object = pointers.string(section.index, at + OBJECT.name) ?? 'vmlinux';
  const list = pointers.follow(section.index, at + OBJECT.functions);
  const count = section.bytes.readUInt32LE(at + OBJECT.count);
  const bytes = list?.kind === 'section' ? elf.sections[list.section]?.bytes : undefined;
  if (list?.kind !== 'section' || bytes === undefined) {
    throw invalid(elf.file, `${KLP_BUILD_SECTION}[${number}] has no functions`);
  }
  if (count > MAX_FUNCTIONS || list.offset + count * FUNCTION_BYTES > bytes.length) {
    throw invalid(elf.file, `${KLP_BUILD_SECTION}[${number}] claims ${count} functions, more than it has`);
  }
  return Array.from({ length: count }, (_, index) => {
    const entry = list.offset + index * FUNCTION_BYTES;
    const name = pointers.string(list.section, entry);
    const replacement = pointers.follow(list.section, entry + 8);
    if (name === undefined || replacement?.kind !== 'section') {
      throw invalid(
        elf.file,
        `function ${index} of ${KLP_BUILD_SECTION}[${number}] has no name or no replacement`,
      );
    }
    return { object, name, position: positionOf(bytes, entry + 16, elf.file, name), replacement };
  });
}
