import { type ElfObject, invalid, readElf } from '../elf/index.ts';
import { exuviaFunctions, exuviaSymbols, FUNCTIONS_SECTION } from './exuvia.ts';
import type { GuestSymbolName, PatchedFunction, PatchFile, PatchKind } from './kinds.ts';
import { modinfoOf, releaseOf } from './modinfo.ts';
import { needsOf } from './needs.ts';
import { type Pointers, pointersOf } from './pointers.ts';
import { refusalsOf } from './refusals.ts';
import { roleOf } from './sections.ts';

/**
 * Reads and judges a patch file. What makes it unacceptable is in `refusals`, all of it at once; only a
 * file that cannot be understood at all throws.
 *
 * @throws GuestError `patch-elf-invalid` for a file that is no patch.
 */
export function readPatch(bytes: Buffer, file: string): PatchFile {
  const elf = readElf(bytes, file);
  const pointers = pointersOf(elf);
  const modinfo = modinfoOf(elf);
  const { kind, functions, aliases } = contents(elf, pointers);
  if (functions.length === 0) throw invalid(file, 'it replaces no function');
  const sections = elf.sections.map((section) => ({
    index: section.index,
    name: section.name,
    bytes: section.size,
    role: roleOf(section),
  }));
  const patch = {
    file,
    kind,
    name: modinfo.get('name') ?? file,
    release: releaseOf(elf, modinfo),
    elf,
    sections,
    functions,
    needs: needsOf(elf, sections, aliases),
  };
  return { ...patch, refusals: refusalsOf(patch, pointers) };
}

interface Contents {
  readonly kind: PatchKind;
  readonly functions: readonly PatchedFunction[];
  readonly aliases: ReadonlyMap<string, GuestSymbolName>;
}

function contents(elf: ElfObject, pointers: Pointers): Contents {
  if (pointers.section(FUNCTIONS_SECTION) !== undefined) {
    return {
      kind: 'exuvia',
      functions: exuviaFunctions(elf, pointers),
      aliases: exuviaSymbols(elf, pointers),
    };
  }
  throw invalid(elf.file, `it has no section ${FUNCTIONS_SECTION} and is no livepatch module`);
}
