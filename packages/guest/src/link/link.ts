import { GuestError } from '../errors.ts';
import type { LinkedPatch, LinkSizes, PatchPlace } from '../kinds.ts';
import { isOmitted, KLP_SIZES, type PatchFile, pointersOf } from '../patch/index.ts';
import { patchAlternatives } from './alternatives.ts';
import { checkCalls, checkStaticCalls } from './calls.ts';
import { sealEndbr } from './endbr.ts';
import { patchFentry } from './fentry.ts';
import { createImage, type Image } from './image.ts';
import { layoutOf } from './layout.ts';
import { patchLocks } from './locks.ts';
import { patchParavirt } from './paravirt.ts';
import { relocate } from './relocate.ts';
import { resolveSymbol } from './resolve.ts';
import { patchRetpolines } from './retpolines.ts';
import { patchReturns } from './returns.ts';
import { tablesOf } from './tables.ts';
import type { LinkTarget } from './target.ts';
import { unwindOf } from './unwind.ts';

/** How much room a patch will take, whatever the guest. */
export function linkSizes(patch: PatchFile): LinkSizes {
  const { codeBytes, dataBytes } = layoutOf(patch);
  return { codeBytes, dataBytes };
}

/**
 * Links a patch for one guest and one place, the way the guest's own kernel would load a module
 * (apply_relocate_add and module_finalize, arch/x86/kernel/module.c). Nothing is written to the guest.
 *
 * @throws GuestError `patch-refused` when the file holds something that cannot be honoured;
 * `patch-kernel-mismatch`, `patch-place`, `patch-relocation`, `guest-symbol-missing`,
 * `guest-symbol-ambiguous`, `guest-module-missing`.
 */
export function linkPatch(patch: PatchFile, target: LinkTarget, place: PatchPlace): LinkedPatch {
  requireAcceptable(patch);
  requireKernel(patch, target);
  requireLayout(patch, target);
  const image = createImage(patch, layoutOf(patch), place);
  relocate(patch, image, target);
  const tables = tablesOf(patch, pointersOf(patch.elf), image);
  patchFentry(tables, target);
  // The order of module_finalize: each step finds the instructions that the one before has left.
  patchParavirt(tables, target);
  patchRetpolines(tables, image, target);
  patchReturns(patch, tables, image, target);
  checkCalls(tables, target);
  checkStaticCalls(tables, target);
  patchAlternatives(tables, image, target);
  sealEndbr(tables);
  patchLocks(tables, target);
  const { code, data } = image.buffers;
  return {
    code: { address: image.bases.code, bytes: code },
    data: data.length === 0 ? null : { address: image.bases.data, bytes: data },
    replacements: replacementsOf(patch, image, target),
    functions: functionsOf(patch, image),
    unwind: unwindOf(tables),
  };
}

/** @throws GuestError `patch-refused` with everything that cannot be honoured. */
export function requireAcceptable({ file, refusals }: PatchFile): void {
  if (refusals.length === 0) return;
  const list = refusals.map(
    ({ section, index, why }) => `${index === null ? section : `${section}[${index}]`}: ${why}`,
  );
  throw new GuestError('patch-refused', `${file} cannot be applied:\n  ${list.join('\n  ')}`, {
    hint: 'exuvia guest patch show FILE lists everything that the patch holds.',
  });
}

function requireKernel({ file, release }: PatchFile, target: LinkTarget): void {
  if (release === target.release) return;
  throw new GuestError(
    'patch-kernel-mismatch',
    `${file} was built for ${release}, and the guest runs ${target.release}.`,
    { hint: `Build it again: exuvia guest patch build FIX.c --kernel ${target.release} -o FIX.ko` },
  );
}

/** A hand-written livepatch was read with the sizes that these structures have from Linux 6.1 to 7.2. */
function requireLayout({ kind, file }: PatchFile, { types }: LinkTarget): void {
  if (kind !== 'livepatch') return;
  for (const [name, size] of Object.entries(KLP_SIZES)) {
    if (types.sizeOf(name) === size) continue;
    throw new GuestError(
      'patch-layout',
      `${file} was read with ${size} bytes for a struct ${name}, and the guest's has ${types.sizeOf(name)}.`,
    );
  }
}

function replacementsOf(patch: PatchFile, image: Image, target: LinkTarget): LinkedPatch['replacements'] {
  return patch.functions.map(({ object, name, position, replacement }) => {
    const symbol = resolveSymbol(target, { object, name, position });
    const byte = image.at(replacement);
    if (symbol.type !== 't' && symbol.type !== 'T') {
      throw new GuestError(
        'patch-not-a-function',
        `${name} of the guest is no function (its type is ${symbol.type}).`,
      );
    }
    if (byte?.region !== 'code') {
      throw new GuestError('patch-not-a-function', `What replaces ${name} does not lie in code.`);
    }
    return { oldAddress: symbol.address, newAddress: byte.address, object, name, position };
  });
}

function functionsOf(patch: PatchFile, image: Image): LinkedPatch['functions'] {
  const functions = patch.elf.symbols.flatMap((symbol) => {
    if (symbol.type !== 'function' || symbol.place.kind !== 'section') return [];
    const place = { section: symbol.place.section, offset: Number(symbol.value) };
    const byte = isOmitted(patch.omitted, place) ? null : image.at(place);
    return byte?.region === 'code' ? [{ name: symbol.name, address: byte.address, size: symbol.size }] : [];
  });
  return functions.sort((a, b) => (a.address < b.address ? -1 : 1));
}
