import { type ElfObject, invalid } from '../elf/index.ts';
import type { PatchedFunction, Refusal } from './kinds.ts';
import { MAX_FUNCTIONS, positionOf } from './kpatch.ts';
import type { Pointer, Pointers } from './pointers.ts';

/**
 * struct klp_patch, klp_object and klp_func (include/linux/livepatch.h, Linux 6.1 to 7.2). What comes behind
 * their outer fields is filled in by the kernel; the sizes are compared with the guest's when linking.
 */
const PATCH = { module: 0, objects: 8, states: 16, replace: 24 } as const;
const OBJECT = { name: 0, functions: 8, callbacks: [16, 24, 32, 40] } as const;
const FUNCTION = { name: 0, replacement: 8, position: 16 } as const;
export const KLP_SIZES = { klp_object: 168, klp_func: 152 } as const;

type Place = Extract<Pointer, { kind: 'section' }>;

export interface LivepatchContents {
  readonly functions: PatchedFunction[];
  readonly replaces: boolean;
  readonly refusals: Refusal[];
}

/** What a hand-written livepatch module replaces: its one `struct klp_patch`, found by its shape. */
export function livepatchContents(elf: ElfObject, pointers: Pointers): LivepatchContents {
  const patch = findPatch(elf, pointers);
  const objects = pointers.follow(patch.section, patch.offset + PATCH.objects);
  const bytes = elf.sections[patch.section]?.bytes;
  if (objects?.kind !== 'section') throw invalid(elf.file, 'its struct klp_patch has no objects');
  const refusals: Refusal[] = [];
  const refuse = (place: Place, why: string) =>
    refusals.push({ section: elf.sections[place.section]?.name ?? '', index: null, why });
  if (pointers.at(patch.section, patch.offset + PATCH.states) !== undefined) {
    refuse(
      patch,
      'its struct klp_patch declares states, which belong to callbacks, and callbacks are not run',
    );
  }
  const functions: PatchedFunction[] = [];
  for (const object of elements(
    pointers,
    objects,
    KLP_SIZES.klp_object,
    [OBJECT.name, OBJECT.functions],
    elf.file,
  )) {
    const name = pointers.string(object.section, object.offset + OBJECT.name) ?? 'vmlinux';
    if (OBJECT.callbacks.some((field) => pointers.at(object.section, object.offset + field) !== undefined)) {
      refuse(object, `its struct klp_object for ${name} has callbacks, which are not run`);
    }
    functions.push(...functionsOf(elf, pointers, object, name));
    if (functions.length > MAX_FUNCTIONS) {
      throw invalid(elf.file, `it replaces more than ${MAX_FUNCTIONS} functions`);
    }
  }
  const replace = bytes?.[patch.offset + PATCH.replace];
  return { functions, replaces: replace === 1, refusals };
}

/** The pointer to the module itself (`THIS_MODULE`) followed by one to the objects. */
function findPatch(elf: ElfObject, pointers: Pointers): Place {
  const module = elf.sections.find(({ name }) => name === '.gnu.linkonce.this_module')?.index;
  const found: Place[] = [];
  for (const { index, name } of elf.sections) {
    if (!/^\.(data|rodata|bss)/.test(name)) continue;
    for (const offset of pointers.offsets(index)) {
      const owner = pointers.follow(index, offset + PATCH.module);
      const objects = pointers.follow(index, offset + PATCH.objects);
      if (owner?.kind === 'section' && owner.section === module && objects?.kind === 'section') {
        found.push({ kind: 'section', section: index, offset });
      }
    }
  }
  const [patch] = found;
  if (patch === undefined || found.length > 1) {
    throw invalid(elf.file, `it has ${found.length} structures that look like struct klp_patch, not one`);
  }
  return patch;
}

function functionsOf(elf: ElfObject, pointers: Pointers, object: Place, name: string): PatchedFunction[] {
  const list = pointers.follow(object.section, object.offset + OBJECT.functions);
  if (list?.kind !== 'section') throw invalid(elf.file, `its struct klp_object for ${name} has no functions`);
  const fields = [FUNCTION.name, FUNCTION.replacement];
  return elements(pointers, list, KLP_SIZES.klp_func, fields, elf.file).map(({ section, offset }) => {
    const old = pointers.string(section, offset + FUNCTION.name);
    const replacement = pointers.follow(section, offset + FUNCTION.replacement);
    if (old === undefined || replacement?.kind !== 'section') {
      throw invalid(elf.file, `a struct klp_func for ${name} has no name or no replacement`);
    }
    const bytes = elf.sections[section]?.bytes ?? Buffer.alloc(0);
    const position = positionOf(bytes, offset + FUNCTION.position, elf.file, old);
    return { object: name, name: old, position, replacement };
  });
}

/** Elements of an array that ends with one in which none of these fields points anywhere. */
function elements(
  pointers: Pointers,
  first: Place,
  stride: number,
  fields: readonly number[],
  file: string,
): Place[] {
  const found: Place[] = [];
  for (let offset = first.offset; ; offset += stride) {
    if (!fields.some((field) => pointers.at(first.section, offset + field) !== undefined)) return found;
    if (found.length >= MAX_FUNCTIONS)
      throw invalid(file, `one of its livepatch arrays has more than ${MAX_FUNCTIONS} elements`);
    found.push({ ...first, offset });
  }
}
