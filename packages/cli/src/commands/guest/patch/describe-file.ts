import type { PatchDescription } from '@exuvia/guest';
import type { Io } from '../../../io.ts';
import { table } from '../../../print.ts';

/** A patch file as people are shown it. */
export function describeFile(
  patch: PatchDescription,
  io: Io,
  options: { readonly sections: boolean },
): string {
  const parts = [
    `${patch.file}: made by ${MAKERS[patch.kind]} for ${patch.release}\n`,
    `replaces ${patch.functions.map(symbol).join(', ')}\n`,
    `needs ${patch.needs.length === 0 ? 'nothing of the guest' : patch.needs.map(symbol).join(', ')}\n`,
  ];
  if (patch.replaces)
    parts.push('made to take the place of all patches applied before (see apply --replace)\n');
  if (options.sections) parts.push(`\n${sections(patch, io)}`);
  parts.push(
    patch.acceptable
      ? '\nThis patch can be applied.\n'
      : `\nThis patch cannot be applied:\n${refusals(patch)}`,
  );
  return parts.join('');
}

const MAKERS: Readonly<Record<PatchDescription['kind'], string>> = {
  exuvia: 'exuvia guest patch build',
  livepatch: 'hand (struct klp_patch)',
  'kpatch-build': 'kpatch-build',
  'klp-build': 'klp-build',
};

function symbol({ object, name, position }: PatchDescription['functions'][number]): string {
  const of = object === 'vmlinux' ? '' : ` of ${object}`;
  return `${name}${position === 0 ? '' : ` (number ${position})`}${of}`;
}

function sections(patch: PatchDescription, io: Io): string {
  const rows = patch.sections.map(({ name, bytes, use, why }) => [name, String(bytes), use, why ?? '']);
  return table(['section', 'bytes', 'use', 'why'], rows, io);
}

function refusals(patch: PatchDescription): string {
  return patch.refusals
    .map(({ section, index, why }) => `  ${section}${index === null ? '' : `[${index}]`}: ${why}\n`)
    .join('');
}
