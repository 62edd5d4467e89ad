import { ExuviaError } from '@exuvia/contract';
import type { LabState } from '../host/state.ts';

/** The lab host's own QEMU, of its distribution's release. */
export const HOST_QEMU = '/usr/bin/qemu-system-x86_64';

/** The upstream version of a Debian one: `1:11.1.3+ds-1~bpo13+1` is 11.1.3. */
export function upstreamVersion(debian: string): string {
  return /^(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)*)/.exec(debian)?.[1] ?? debian;
}

/**
 * The version of the lab host's newer QEMU, as an update is asked for it.
 *
 * @throws ExuviaError `lab-one-qemu` when its mirror offered none.
 */
export function newQemuOf({ newQemu }: Pick<LabState, 'newQemu'>): string {
  if (newQemu !== null) return newQemu;
  throw new ExuviaError('lab-one-qemu', 'This lab host has one QEMU only.', {
    hint: 'Build it from a mirror that has trixie-backports: npm run exuvia -- lab image --refresh --mirror URL',
  });
}

/** Where a newer one is unpacked beside it. */
export const NEW_QEMU_FOLDER = '/opt/qemu-11.1';
