import { HOST_PATHS } from '@exuvia/contract';
import { appendDurably, readIfExists } from '@exuvia/sys';
import { z } from 'zod';

const crashSchema = z.object({
  at: z.iso.datetime(),
  bootId: z.string(),
  kernel: z.string(),
  /** What became of the VMs that ran; `kept`: the state is there, and `exuvia recover` may load it. */
  vms: z.array(
    z.object({
      name: z.string(),
      outcome: z.enum(['restored', 'restarted', 'kept', 'not-started']),
      reason: z.string(),
    }),
  ),
});
/** A crash of the host's kernel that was no update's, as the kernel that was started after it found the host. */
export type Crash = z.infer<typeof crashSchema>;

const FILE = `${HOST_PATHS.state}/crashes.jsonl`;

/** Oldest first; a line that is no record (a torn write) is passed over. */
export async function readCrashes(file: string = FILE): Promise<Crash[]> {
  const lines = ((await readIfExists(file)) ?? '').split('\n');
  return lines.flatMap((line) => {
    try {
      const { data } = crashSchema.safeParse(JSON.parse(line));
      return data === undefined ? [] : [data];
    } catch {
      return [];
    }
  });
}

export async function appendCrash(crash: Crash, file: string = FILE): Promise<void> {
  await appendDurably(file, `${JSON.stringify(crash)}\n`);
}

const WINDOW_MS = 30 * 60_000;
const MAX_CRASHES = 3;

/** True when the kernel has crashed so often in a short while that starting everything again is no help. Pure. */
export function isCrashLoop(crashes: readonly Pick<Crash, 'at' | 'bootId'>[], now: Date): boolean {
  const recent = crashes.filter(({ at }) => now.getTime() - Date.parse(at) < WINDOW_MS);
  // One crash is written down twice: found, and dealt with.
  return new Set(recent.map(({ bootId }) => bootId)).size >= MAX_CRASHES;
}
