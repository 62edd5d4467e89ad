import { type AttachedGuest, hex, lookAtPatches, type SeenPatch } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../exit.ts';
import { show } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { type PatchedGuestOptions, stateOf, targetOf, withGuest } from './target.ts';

/** What kernel a guest runs, where it lies, and what of it is patched. */
export async function inspect(invocation: Invocation<PatchedGuestOptions>): Promise<ExitStatus> {
  const target = await targetOf(invocation);
  const document = await withGuest(target, async (guest) => ({
    guest: target.name,
    ...describe(guest),
    patches: (await lookAtPatches(guest, target.qmp, stateOf(target, invocation.options))).map(shownPatch),
  }));
  show(invocation.io, invocation.options, document, () => {
    const { modules, memory, patches, ...rest } = document;
    const lines: [string, string][] = [
      ['guest', rest.guest],
      ['kernel', rest.release],
      ['version', rest.version],
      ['build id', rest.buildId],
      ['KASLR slide', rest.slide],
      ['text', rest.text],
      ['paging', `${rest.pagingLevels} levels`],
      ['CPUs', String(rest.cpus)],
      ['memory', `${(memory.bytes / 2 ** 20).toFixed(0)} MiB in ${memory.ranges} ranges`],
      ['symbols', String(rest.symbols)],
      ['boot', rest.bootEpoch],
      ['modules', modules.length === 0 ? 'none' : modules.map(({ name }) => name).join(', ')],
      [
        'patches',
        patches.length === 0 ? 'none' : patches.map(({ id, phase }) => `${id} (${phase})`).join(', '),
      ],
    ];
    const sites = patches.flatMap(({ id, sites }) =>
      sites.map(({ address, name, holds }) => `  ${address}  ${name}: ${HOLDS[holds]} (${id})\n`),
    );
    return lines.map(([key, value]) => `${key.padEnd(13)}${value}\n`).join('') + sites.join('');
  });
  return EXIT.ok;
}

const HOLDS = {
  jump: 'jumps to the patch',
  original: 'as it was before the patch',
  other: 'neither the jump of the patch nor what was there before',
} as const;

function shownPatch({ id, phase, sites }: SeenPatch) {
  return { id, phase, sites: sites.map((site) => ({ ...site, address: hex(site.address) })) };
}

function describe(guest: AttachedGuest) {
  const { release, version, buildId, slide, space, symbols, physical } = guest;
  return {
    release,
    version,
    buildId,
    slide: hex(slide),
    text: hex(symbols.one('_text').address),
    pagingLevels: space.levels,
    cpus: guest.cpus(),
    memory: {
      bytes: physical.ranges.reduce((sum, { size }) => sum + size, 0),
      ranges: physical.ranges.length,
    },
    symbols: symbols.count,
    bootEpoch: guest.bootEpoch(),
    modules: guest.modules().map(({ name, state, parts }) => ({
      name,
      state,
      parts: parts.map(({ start, size, executable }) => ({ start: hex(start), size, executable })),
    })),
  };
}
