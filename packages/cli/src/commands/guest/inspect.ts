import type { AttachedGuest } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../exit.ts';
import { show } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { type GuestOptions, hex, targetOf, withGuest } from './target.ts';

/** What kernel a guest runs and where it lies. */
export async function inspect(invocation: Invocation<GuestOptions>): Promise<ExitStatus> {
  const target = await targetOf(invocation);
  const document = await withGuest(target, (guest) => ({ guest: target.name, ...describe(guest) }));
  show(invocation.io, invocation.options, document, () => {
    const { modules, memory, ...rest } = document;
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
    ];
    return lines.map(([key, value]) => `${key.padEnd(13)}${value}\n`).join('');
  });
  return EXIT.ok;
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
