import { type ElfObject, SHF } from '../elf/index.ts';
import type { PatchKind, Refusal, SectionRange } from './kinds.ts';
import { isOmitted } from './omitted.ts';

const SECTION = /^\.(init|exit)\.text/;
/** What the initialisation of a hand-written livepatch module may do without anything being lost. */
const HARMLESS: ReadonlySet<string> = new Set([
  'klp_enable_patch',
  '__fentry__',
  '__x86_return_thunk',
  '_printk',
]);
const WHY = 'initialisation code of a patch is not run';

/**
 * A module's own initialisation is not run. That of kpatch-build and klp-build only registers the patch; in a
 * hand-written module it may do anything, and then something would be lost; a patch of our SDK has none.
 */
export function refusedInitialisation(
  elf: ElfObject,
  kind: PatchKind,
  omitted: readonly SectionRange[],
): Refusal[] {
  if (kind === 'kpatch-build' || kind === 'klp-build') return [];
  if (kind === 'livepatch') return strangers(elf, omitted);
  const sections = elf.sections.filter(({ name, size }) => SECTION.test(name) && size > 0);
  const functions = omitted.flatMap(({ section }) => elf.sections[section] ?? []);
  const names = new Set([...sections, ...functions].map(({ name }) => name));
  return [...names].map((section) => ({ section, index: null, why: WHY }));
}

/** Whatever it calls beside the registration of the patch. */
function strangers(elf: ElfObject, omitted: readonly SectionRange[]): Refusal[] {
  return elf.relocations.flatMap(({ section, target, relocations }) => {
    const all = SECTION.test(elf.sections[target]?.name ?? '');
    return relocations.flatMap(({ index, symbol, offset }) => {
      if (!all && !isOmitted(omitted, { section: target, offset })) return [];
      const { place, name = '' } = elf.symbols[symbol] ?? {};
      const code = place?.kind === 'section' && isOtherCode(elf, place.section, target);
      if ((place?.kind !== 'undefined' && !code) || HARMLESS.has(name)) return [];
      return [{ section: section.name, index, why: `it calls ${name}, and ${WHY}` }];
    });
  });
}

function isOtherCode(elf: ElfObject, section: number, self: number): boolean {
  return section !== self && ((elf.sections[section]?.flags ?? 0) & SHF.exec) !== 0;
}
