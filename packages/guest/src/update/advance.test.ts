import { expect, test } from 'vitest';
import { GuestError } from '../errors.ts';
import type { LedgerPatch } from '../journal/index.ts';
import { advance } from './advance.ts';
import type { Context } from './context.ts';

/** A context in which one patch waits for threads, which are looked for by `look`. */
function waitingFor(look: () => Promise<readonly never[]>): { context: Context; written: string[] } {
  const written: string[] = [];
  const patch = { phase: 'transitioning', plan: { id: 'fix', sites: [] } } as unknown as LedgerPatch;
  const journal = {
    ledger: { patches: [patch] },
    append: async ({ kind }: { kind: string }) => void written.push(kind),
    compact: async () => undefined,
  };
  const context = { journal, watches: new Map([['fix', { look }]]), waiting: new Map() };
  return { context: context as unknown as Context, written };
}

test('a patch that nobody is waited for is complete', async () => {
  const { context, written } = waitingFor(async () => []);
  expect(await advance(context)).toEqual(['fix']);
  expect(written).toEqual(['complete']);
});

test('a look that fails after the switch does not say that nothing was changed', async () => {
  const { context, written } = waitingFor(() => Promise.reject(new GuestError('guest-orc', 'No tables.')));
  await expect(advance(context)).rejects.toMatchObject({
    code: 'guest-unwatched',
    message: "fix has been switched, but where the guest's threads are cannot be seen: No tables.",
  });
  expect(written).toEqual([]);
});
