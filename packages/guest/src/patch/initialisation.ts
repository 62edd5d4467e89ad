import { type ElfObject, SHF } from '../elf/index.ts';
import type { PatchKind, Refusal } from './kinds.ts';

const SECTION = /^\.(init|exit)\.text/;
/** What the initialisation of a hand-written livepatch module may do without anything being lost. */
const HARMLESS: ReadonlySet<string> = new Set([
  'klp_enable_patch',
  '__fentry__',
  '__x86_return_thunk',
  '_printk',
  'printk',
]);

/**
 * A module's own initialisation is not run. That of kpatch-build and klp-build only registers the patch; in a
 * hand-written module it may do anything, and then something would be lost; a patch of our SDK has none.
 */
export function refusedInitialisation(elf: ElfObject, kind: PatchKind): Refusal[] {
  if (kind === 'kpatch-build' || kind === 'klp-build') return [];
  const refusals: Refusal[] = [];
  for (const section of elf.sections) {
    if (!SECTION.test(section.name) || section.size === 0) continue;
    const called = kind === 'exuvia' ? [] : strangers(elf, section.index);
    if (kind === 'exuvia') {
      refusals.push({ section: section.name, index: null, why: 'initialisation code of a patch is not run' });
    }
    for (const { index, name, relocations } of called) {
      refusals.push({
        section: relocations,
        index,
        why: `it calls ${name}, and initialisation code of a patch is not run`,
      });
    }
  }
  return refusals;
}

function strangers(elf: ElfObject, target: number) {
  return elf.relocations
    .filter((list) => list.target === target)
    .flatMap(({ section, relocations }) =>
      relocations.flatMap(({ symbol }, index) => {
        const { place, name = '' } = elf.symbols[symbol] ?? {};
        const code = place?.kind === 'section' && isOtherCode(elf, place.section, target);
        if ((place?.kind !== 'undefined' && !code) || HARMLESS.has(name)) return [];
        return [{ relocations: section.name, index, name }];
      }),
    );
}

function isOtherCode(elf: ElfObject, section: number, self: number): boolean {
  return section !== self && ((elf.sections[section]?.flags ?? 0) & SHF.exec) !== 0;
}
