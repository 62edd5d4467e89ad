import { type ElfObject, invalid, readElf } from '../elf/index.ts';
import { exuviaFunctions, exuviaSymbols, FUNCTIONS_SECTION } from './exuvia.ts';
import { refusedInitialisation } from './initialisation.ts';
import type {
  GuestSymbolName,
  PatchedFunction,
  PatchFile,
  PatchKind,
  PatchSection,
  Refusal,
  SectionRole,
} from './kinds.ts';
import { KLP_BUILD_SECTION, klpBuildFunctions } from './klp-build.ts';
import { KPATCH_SECTION, kpatchFunctions } from './kpatch.ts';
import { livepatchContents } from './livepatch.ts';
import { modinfoOf, releaseOf } from './modinfo.ts';
import { needsOf } from './needs.ts';
import { omittedRanges, withoutOmitted } from './omitted.ts';
import { type Pointers, pointersOf } from './pointers.ts';
import { reachedSections } from './reach.ts';
import { refusalsOf } from './refusals.ts';
import { roleOf } from './sections.ts';

/**
 * Reads and judges a patch file. What makes it unacceptable is in `refusals`, all of it at once; only a
 * file that cannot be understood at all throws.
 *
 * @throws GuestError `patch-elf-invalid` for a file that is no patch.
 */
export function readPatch(bytes: Buffer, file: string): PatchFile {
  const whole = readElf(bytes, file);
  const omitted = omittedRanges(whole);
  const elf = withoutOmitted(whole, omitted);
  const pointers = pointersOf(elf);
  const modinfo = modinfoOf(elf);
  const { kind, functions, replaces, aliases, refusals } = contents(elf, pointers, modinfo);
  if (functions.length === 0) throw invalid(file, 'it replaces no function');
  requireDistinct(functions, file);
  const sections = sectionsOf(elf, functions, pointers);
  return {
    file,
    kind,
    name: modinfo.get('name') ?? file,
    release: releaseOf(elf, modinfo),
    elf,
    omitted,
    sections,
    functions,
    replaces,
    needs: needsOf(elf, sections, aliases),
    refusals: [
      ...refusals,
      ...refusedInitialisation(whole, kind, omitted),
      ...refusalsOf({ elf, sections, omitted }, pointers),
    ],
  };
}

interface Contents {
  readonly kind: PatchKind;
  readonly functions: readonly PatchedFunction[];
  readonly replaces: boolean;
  readonly aliases: ReadonlyMap<string, GuestSymbolName>;
  readonly refusals: readonly Refusal[];
}

/** The kinds in the order of how surely they are told: kpatch-build's and klp-build's modules are livepatches, too. */
function contents(elf: ElfObject, pointers: Pointers, modinfo: ReadonlyMap<string, string>): Contents {
  const plain = { replaces: false, aliases: new Map(), refusals: [] };
  if (pointers.section(FUNCTIONS_SECTION) !== undefined) {
    const aliases = exuviaSymbols(elf, pointers);
    return { ...plain, kind: 'exuvia', functions: exuviaFunctions(elf, pointers), aliases };
  }
  if (pointers.section(KPATCH_SECTION) !== undefined) {
    return { ...plain, kind: 'kpatch-build', functions: kpatchFunctions(elf, pointers), replaces: true };
  }
  if (pointers.section(KLP_BUILD_SECTION) !== undefined) {
    return { ...plain, kind: 'klp-build', replaces: true, ...klpBuildFunctions(elf, pointers) };
  }
  if (modinfo.has('livepatch')) return { ...plain, kind: 'livepatch', ...livepatchContents(elf, pointers) };
  throw invalid(elf.file, `it has no section ${FUNCTIONS_SECTION} and is no livepatch module`);
}

function requireDistinct(functions: readonly PatchedFunction[], file: string): void {
  const seen = new Set<string>();
  for (const { object, name, position } of functions) {
    const key = `${object}:${name},${position}`;
    if (seen.has(key)) throw invalid(file, `it replaces ${name} of ${object} twice`);
    seen.add(key);
  }
}

/** What no replacement function needs is left out: a module's own initialisation and what belongs to it. */
function sectionsOf(
  elf: ElfObject,
  functions: readonly PatchedFunction[],
  pointers: Pointers,
): PatchSection[] {
  const roles = elf.sections.map(roleOf);
  const reached = reachedSections(elf, roles, functions, pointers);
  return roles.map((role, index) => ({
    index,
    name: elf.sections[index]?.name ?? '',
    bytes: elf.sections[index]?.size ?? 0,
    role: isOptional(role) && !reached.has(index) ? NOT_NEEDED : role,
  }));
}

const NOT_NEEDED: SectionRole = { kind: 'unused', why: 'no replacement function needs it' };

function isOptional(role: SectionRole): boolean {
  if (role.kind === 'link') return role.table === 'replacements';
  return role.kind === 'code' || role.kind === 'rodata' || role.kind === 'data' || role.kind === 'unusable';
}
