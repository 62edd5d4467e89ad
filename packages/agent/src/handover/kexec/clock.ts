import { ExuviaError, HOST_PATHS } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { z } from 'zod';

/** TSC and CLOCK_MONOTONIC_RAW (ns) at one moment; as text, because JSON has no such large integers. */
export const clockReadingSchema = z.object({ tsc: z.string().regex(/^\d+$/), ns: z.string().regex(/^\d+$/) });
export type ClockReading = z.infer<typeof clockReadingSchema>;

/** Reads both clocks at one moment with exuvia-clock. @throws ExuviaError `clock-unreadable`. */
export async function readClock(): Promise<ClockReading> {
  const { stdout } = await run(`${HOST_PATHS.native}/exuvia-clock`, []);
  const [tsc, ns] = stdout.trim().split(' ');
  const reading = clockReadingSchema.safeParse({ tsc, ns });
  if (reading.success) return reading.data;
  throw new ExuviaError('clock-unreadable', 'exuvia-clock did not print two clock readings.', {
    hint: 'Install the exuvia package again.',
  });
}
