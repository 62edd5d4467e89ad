import { expect, onTestFinished, test } from 'vitest';
import { watchLogs } from './log-watch.ts';

/** Watches at every tick; `asked` says how often it wanted to know whether the host is busy. */
function watching(isBusy: (asked: number) => boolean, cutLogs: () => Promise<void>) {
  const seen = { asked: 0 };
  const end = watchLogs({
    isBusy: () => isBusy(++seen.asked),
    cutLogs,
    everyMs: 1,
  });
  onTestFinished(end);
  return { seen, end };
}

test('nothing is cut while an update is under way, and again when it is over', async () => {
  const cut = Promise.withResolvers<void>();
  const { seen } = watching(
    (asked) => asked <= 3,
    async () => cut.resolve(),
  );
  await cut.promise;
  expect(seen.asked).toBe(4);
});

test('one time is over before the next begins, and none begins after the end', async () => {
  const begun = Promise.withResolvers<void>();
  const again = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  let times = 0;
  const { seen, end } = watching(
    () => false,
    async () => {
      times += 1;
      if (times > 1) return again.resolve();
      begun.resolve();
      await slow.promise;
    },
  );
  await begun.promise;
  await ticks(5);
  expect([times, seen.asked]).toEqual([1, 1]);
  slow.resolve();
  await again.promise;
  end();
  const { asked } = seen;
  await ticks(5);
  expect(seen.asked).toBe(asked);
});

/** So many ticks of a timer like the one that is watched by. */
async function ticks(count: number): Promise<void> {
  const passed = Promise.withResolvers<void>();
  let left = count;
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    passed.resolve();
  }, 1);
  await passed.promise;
}
