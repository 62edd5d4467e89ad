import { mkdir } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { bootId, readIfExists, run, writeFileDurably } from '@exuvia/sys';
import { z } from 'zod';
import { makeSingleProgramInitramfs } from '../guests/initramfs.ts';
import { type GuestProgram, guestProgram } from '../guests/program.ts';
import type { Base } from '../image/base.ts';
import { toolPath } from '../image/toolbox.ts';
import { cached, cacheFolder, keyOf } from '../support/cache.ts';
import type { Progress } from '../support/progress.ts';
import type { Accelerator } from './state.ts';

const PROBE_LIMIT_MS = 20_000;
const LATE_HOLDS_MS = 3_600_000;
/** Printed by native/guest; the second where the guest's processor has svm or vmx. */
const PROBE_LINE = 'EXUVIA-PROBE-OK';
const NESTED_LINE = 'EXUVIA-PROBE-NESTED';

/**
 * Finds out whether KVM works here by really booting a Linux guest under it: there are machines whose /dev/kvm exists and
 * cannot run one, and such whose guests can run no VMs of their own, which a lab host must. The answer is kept until the
 * machine boots again; that none came in time, which may be the fault of other work on the machine, for an hour.
 */
export async function findAccelerator(base: Base, progress: Progress): Promise<Accelerator> {
  const record = join(cacheFolder(), 'accelerator.json');
  const program = await guestProgram();
  const key = keyOf(2, release(), await bootId(), base.key, program.key);
  const known = parseRecord(await readIfExists(record), key, Date.now());
  if (known !== null) return known;
  const found = await progress.step('lab: does KVM run a Linux guest here', () => probe(base, program));
  const accelerator = found === 'kvm' ? 'kvm' : 'tcg';
  const why = found === 'late' ? '; KVM did not answer in time: it is asked again in an hour' : '';
  progress.say(`lab: the accelerator is ${accelerator === 'kvm' ? 'KVM' : 'TCG (emulation)'}${why}`);
  const until = found === 'late' ? Date.now() + LATE_HOLDS_MS : Number.MAX_SAFE_INTEGER;
  await writeFileDurably(record, JSON.stringify({ key, accelerator, until }));
  return accelerator;
}

async function probe(base: Base, program: GuestProgram): Promise<Accelerator | 'late'> {
  if ((await run('test', ['-w', '/dev/kvm'], { allowFailure: true })).exitCode !== 0) return 'tcg';
  const folder = await cached('probe', program.key, async (into) => {
    await mkdir(into, { recursive: true });
    await makeSingleProgramInitramfs(join(into, 'initrd'), program.path);
  });
  const kernel = join(base.root, `boot/vmlinuz-${base.pins.kernels.old}`);
  const answer = run(
    toolPath(base.folder, 'qemu-system-x86_64'),
    [
      ...['-M', 'q35', '-accel', 'kvm', '-cpu', 'host', '-m', '256M', '-nodefaults', '-no-user-config'],
      ...['-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', kernel],
      ...['-initrd', join(folder, 'initrd'), '-append', 'console=ttyS0 quiet panic=-1 role=probe'],
    ],
    { timeoutMs: PROBE_LIMIT_MS, allowFailure: true },
  );
  return answer.then(
    ({ stdout }) => verdictOf(stdout),
    () => 'late' as const,
  );
}

/** By what the guest has said before its end. */
export function verdictOf(said: string): Accelerator {
  return said.includes(PROBE_LINE) && said.includes(NESTED_LINE) ? 'kvm' : 'tcg';
}

const recordSchema = z.object({ key: z.string(), accelerator: z.enum(['kvm', 'tcg']), until: z.number() });

/** What was found before, if it was found here and still holds. */
export function parseRecord(text: string | null, key: string, now: number): Accelerator | null {
  try {
    const record = recordSchema.parse(JSON.parse(text ?? 'null'));
    return record.key === key && record.until > now ? record.accelerator : null;
  } catch {
    return null;
  }
}
