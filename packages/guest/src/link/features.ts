import { GuestError } from '../errors.ts';
import type { LinkTarget } from './target.ts';

/** Features and bugs of the guest's CPU, as its kernel asks for them: `boot_cpu_has(number)`. */
export type Features = (feature: number) => boolean;

/** @throws GuestError `guest-cpu-feature` for a number that the guest's kernel does not have. */
export function featuresOf({ symbols, space, types }: LinkTarget): Features {
  let words: Buffer | undefined;
  return (feature) => {
    words ??= space.read(
      symbols.one('boot_cpu_data').address + BigInt(types.offsetOf('cpuinfo_x86', 'x86_capability')),
      capabilityBytes(types),
    );
    const at = Math.floor(feature / 32) * 4;
    if (at + 4 > words.length) {
      throw new GuestError('guest-cpu-feature', `The guest's kernel knows no CPU feature ${feature}.`);
    }
    return ((words.readUInt32LE(at) >>> (feature % 32)) & 1) === 1;
  };
}

/** The array `x86_capability` ends where the next member begins (`x86_vendor_id`, Linux 6.1 to 7.2). */
function capabilityBytes(types: LinkTarget['types']): number {
  const start = types.offsetOf('cpuinfo_x86', 'x86_capability');
  return Math.max(0, Math.min(types.offsetOf('cpuinfo_x86', 'x86_vendor_id') - start, 4096));
}
