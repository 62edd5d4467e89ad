import { beforeAll, describe, expect, test } from 'vitest';
import { type Bed, testBed } from './support/bed.ts';
import { FIXES, fixFor } from './support/fixes.ts';
import { useGuest } from './support/guests.ts';
import { usePatching } from './support/patching.ts';

/** A number that `%lu` takes and that is negative as the kernel keeps it. */
const NEGATIVE_NANOSECONDS = '18446744073709551615';
const STATX_ATTR_VERITY = 0x100000;

let bed: Bed;
beforeAll(async () => {
  bed = await testBed();
});

describe('fixes of a newer Debian build, in the kernel of an older one', () => {
  const guest = useGuest({ kernel: '6.12-old', cpus: 2 });
  const patching = usePatching(guest);
  const knowsVerity = async () =>
    (Number(await guest().output('statmask /')) & STATX_ATTR_VERITY) === STATX_ATTR_VERITY;
  const work = () => guest().heartbeat().verified;

  test('every fix is shown missing before, and there after, while their functions are called in loops', async () => {
    expect(await knowsVerity()).toBe(false);
    expect(await guest().output(`timens ${NEGATIVE_NANOSECONDS}`)).toBe('accepted');
    expect(await guest().output('routes')).toBe('added and deleted');
    await guest().output(
      'for load in "statmask / loop" "routes loop" diskwriter; do ($load > /dev/null &); done',
    );

    const ids: string[] = [];
    for (const name of ['verity', 'timens', 'rebalance'] as const) {
      const before = work();
      ids.push(await patching.apply(await fixFor(bed, '6.12-old', name)));
      await expect.poll(work, { timeout: 60_000 }).toBeGreaterThan(before);
    }
    expect((await patching.list()).map(({ functions }) => functions.map((each) => each.name))).toEqual(
      [FIXES.verity, FIXES.timens, FIXES.rebalance].map(({ functions }) => functions),
    );
    expect(await knowsVerity()).toBe(true);
    expect(await guest().output(`timens ${NEGATIVE_NANOSECONDS}`)).toBe('EINVAL');
    expect(await guest().output('timens 5')).toBe('accepted');

    for (const id of ids.reverse()) await patching.rollback(id);
    expect(await knowsVerity()).toBe(false);
    expect(await guest().output(`timens ${NEGATIVE_NANOSECONDS}`)).toBe('accepted');
    const after = work();
    await expect.poll(work, { timeout: 60_000 }).toBeGreaterThan(after);
    expect(guest().heartbeat().errors).toBe(0n);
    expect(await patching.list()).toEqual([]);
  });
});
