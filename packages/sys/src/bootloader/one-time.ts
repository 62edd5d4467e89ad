import { run } from '../process/run.ts';
import type { BootLoader } from './boot-loader.ts';

/**
 * Why a kernel that is chosen for one boot would be started by every later one as well, as a sentence; `null` when the
 * choice ends by itself.
 */
export async function oneTimeProblem({ kind }: Pick<BootLoader, 'kind'>): Promise<string | null> {
  if (kind !== 'grub') return null;
  const probe = async (target: string) =>
    (await run('grub-probe', [`--target=${target}`, '/boot/grub'])).stdout.trim();
  try {
    return grubKeepsChoice(await probe('fs'), await probe('abstraction'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `Whether GRUB forgets the chosen kernel after one boot is not known: ${why}`;
  }
}

/**
 * Pure part of {@link oneTimeProblem}. GRUB forgets the choice by writing to its environment block, which it can do on
 * plain disks and partitions only (GRUB 2.12 manual, "GRUB environment block").
 *
 * @param abstraction what `grub-probe --target=abstraction` says: `lvm`, `mdraid1x`...; empty for a plain partition
 */
export function grubKeepsChoice(fileSystem: string, abstraction: string): string | null {
  const below = [abstraction, /^(btrfs|zfs)$/.test(fileSystem) ? fileSystem : ''].find((name) => name !== '');
  if (below === undefined) return null;
  return `/boot/grub lies on ${below.replaceAll('\n', ', ')}, where GRUB cannot write: it starts the chosen kernel at every boot until the update has ended.`;
}
