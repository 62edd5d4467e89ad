/** One TSC reading with a name; `vm` is `null` for what concerns the host. */
interface Stamp {
  readonly name: string;
  readonly vm: string | null;
  readonly tsc: bigint;
}

/**
 * What became of a VM: it runs; it is restored, but its QEMU did not let it run on; it was left behind, as its spec says;
 * it could not be restored, and its saved state is as it was.
 */
export type Fate = (typeof FATES)[number];

const FATES = ['restored', 'paused', 'left', 'failed'] as const;

/** What a native program wrote down. */
export interface Stamps {
  readonly stamps: readonly Stamp[];
  /** Readings of TSC and CLOCK_MONOTONIC_RAW (ns) at one moment, for the TSC's frequency. */
  readonly clocks: readonly { readonly tsc: bigint; readonly ns: bigint }[];
  /** How long the kernel had been running at the first clock reading, ns. */
  readonly kernelNs: bigint | null;
  readonly fates: ReadonlyMap<string, { readonly fate: Fate; readonly detail: string }>;
}

const LINE = new RegExp(
  String.raw`^(?:stamp (?<stamp>\S+) (?<vm>\S+) (?<at>\d+)|clock (?<tsc>\d+) (?<ns>\d+)|kernel-ns (?<kernel>\d+)|vm (?<name>\S+) (?<fate>${FATES.join('|')}) (?<detail>.*))$`,
);

/**
 * Parses the record of exuvia-pause or exuvia-early-restore. Unknown lines are passed over: a newer native
 * program may say more.
 */
export function parseStamps(text: string): Stamps {
  const stamps: Stamp[] = [];
  const clocks: { tsc: bigint; ns: bigint }[] = [];
  const fates = new Map<string, { fate: Fate; detail: string }>();
  let kernelNs: bigint | null = null;
  for (const line of text.split('\n')) {
    const found = LINE.exec(line)?.groups;
    if (found?.stamp !== undefined && found.at !== undefined) {
      const vm = found.vm === '-' ? null : (found.vm ?? null);
      stamps.push({ name: found.stamp, vm, tsc: BigInt(found.at) });
    } else if (found?.tsc !== undefined && found.ns !== undefined) {
      clocks.push({ tsc: BigInt(found.tsc), ns: BigInt(found.ns) });
    } else if (found?.kernel !== undefined) {
      kernelNs = BigInt(found.kernel);
    } else if (found?.name !== undefined) {
      const fate = FATES.find((word) => word === found.fate) ?? 'failed';
      fates.set(found.name, { fate, detail: found.detail ?? '' });
    }
  }
  return { stamps, clocks, kernelNs, fates };
}

/** The frequency of the TSC in kHz from two readings; `null` when they are too close to say. */
export function tscKhz(
  from: { readonly tsc: bigint; readonly ns: bigint },
  to: { readonly tsc: bigint; readonly ns: bigint },
  minimumNs = 50_000_000n,
): number | null {
  const ns = to.ns - from.ns;
  return ns < minimumNs ? null : (Number(to.tsc - from.tsc) * 1e6) / Number(ns);
}
