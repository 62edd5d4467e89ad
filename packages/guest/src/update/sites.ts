import type { Area, LedgerPatch, Site } from '../journal/index.ts';
import type { GuestKernel, LinkedPatch } from '../kinds.ts';
import { findHead } from './head.ts';
import { jumpTo } from './jump.ts';
import { refused } from './refused.ts';

/** Patches that are in the guest, in the order of their application. */
type Live = readonly LedgerPatch[];

/**
 * Plans the jump for each function of a linked patch.
 *
 * @param live what is in the guest already: a function may be patched more than once.
 * @param replaces ids of patches that this one takes the place of; a rollback restores what was before them.
 * @throws GuestError `guest-site-refused`.
 */
export async function planSites(
  kernel: GuestKernel,
  linked: LinkedPatch,
  live: Live,
  replaces: readonly string[],
): Promise<Site[]> {
  const sites: Site[] = [];
  for (const replacement of linked.replacements) {
    const { object, name, position, oldAddress, newAddress } = replacement;
    if (sites.some((site) => site.oldAddress === oldAddress)) {
      throw refused(`The patch replaces ${name} twice.`);
    }
    const before = live.flatMap(({ plan, phase }) =>
      plan.sites.filter((site) => site.oldAddress === oldAddress).map((site) => ({ ...site, phase })),
    );
    const top = before.at(-1);
    const size = kernel.symbols.at(oldAddress)?.size ?? 0;
    const head =
      top === undefined ? await findHead(kernel, name, oldAddress, size) : { ...top, bytes: top.jump };
    requireBytes(kernel, name, head.at, head.bytes);
    const kept = live.flatMap(({ plan }) =>
      replaces.includes(plan.id) ? [] : plan.sites.filter((site) => site.oldAddress === oldAddress),
    );
    sites.push({
      ...{ object, name, position, oldAddress, newAddress },
      old: top === undefined ? ownCode(kernel, name, oldAddress, size) : stillRun(top),
      new: functionAreas(linked, newAddress),
      at: head.at,
      kind: head.kind,
      expected: head.bytes,
      jump: jumpTo(head.at, newAddress, head.bytes.length),
      original: kept.at(-1)?.jump ?? before[0]?.original ?? head.bytes,
    });
  }
  return sites;
}

/** What threads may be in of a function that is patched already. */
function stillRun(top: Site & Pick<LedgerPatch, 'phase'>): Area[] {
  return top.phase === 'transitioning' ? [...top.new, ...top.old] : top.new;
}

function requireBytes(kernel: GuestKernel, name: string, at: bigint, bytes: Buffer): void {
  if (kernel.space.read(at, bytes.length).equals(bytes)) return;
  throw refused(
    `${name} does not begin with what the journal says: something else has changed it.`,
    'exuvia guest patch reconcile VM tells more.',
  );
}

/** What compilers call the unlikely parts that they split off a function: `.cold`, `.cold.0` (GCC 8). */
const COLD = ['.cold', ...Array.from({ length: 16 }, (_, number) => `.cold.${number}`)];

/** A function and what the compiler has split off it. */
function ownCode({ symbols }: GuestKernel, name: string, address: bigint, size: number): Area[] {
  const cold = COLD.flatMap((suffix) => symbols.find(name + suffix));
  const rest = cold.map((symbol) => ({
    address: symbol.address,
    length: symbols.at(symbol.address)?.size ?? 0,
  }));
  return [{ address, length: size }, ...rest];
}

/** The same of a function of the patch; all of its code when the function has no size. */
function functionAreas({ functions, code }: LinkedPatch, address: bigint): Area[] {
  const own = functions.find((each) => each.address === address && each.size > 0);
  if (own === undefined) return [{ address: code.address, length: code.bytes.length }];
  return functions
    .filter(({ name, size }) => size > 0 && (name === own.name || name.startsWith(`${own.name}.cold`)))
    .map((each) => ({ address: each.address, length: each.size }));
}
