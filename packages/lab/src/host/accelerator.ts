import { mkdir } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { bootId, readIfExists, run, writeFileDurably } from '@exuvia/sys';
import { makeSingleProgramInitramfs } from '../guests/initramfs.ts';
import { guestProgram } from '../guests/program.ts';
import type { Base } from '../image/base.ts';
import { toolPath } from '../image/toolbox.ts';
import { cached, cacheFolder, keyOf } from '../support/cache.ts';
import type { Progress } from '../support/progress.ts';
import type { Accelerator } from './state.ts';

const PROBE_LIMIT_MS = 20_000;
const PROBE_LINE = 'EXUVIA-PROBE-OK';

/**
 * Finds out whether KVM works here by really booting a Linux guest under it: there are machines whose
 * /dev/kvm exists and cannot run one. The answer is kept until the machine boots again.
 */
export async function findAccelerator(base: Base, progress: Progress): Promise<Accelerator> {
  const record = join(cacheFolder(), 'accelerator.json');
  const key = keyOf(release(), await bootId(), base.key);
  const known = parseRecord(await readIfExists(record));
  if (known !== null && known.key === key) return known.accelerator;
  const accelerator = await progress.step('lab: does KVM run a Linux guest here', () => probe(base));
  progress.say(`lab: the accelerator is ${accelerator === 'kvm' ? 'KVM' : 'TCG (emulation)'}`);
  await writeFileDurably(record, JSON.stringify({ key, accelerator }));
  return accelerator;
}

async function probe(base: Base): Promise<Accelerator> {
  if ((await run('test', ['-w', '/dev/kvm'], { allowFailure: true })).exitCode !== 0) return 'tcg';
  const program = await guestProgram();
  const folder = await cached('probe', program.key, async (into) => {
    await mkdir(into, { recursive: true });
    await makeSingleProgramInitramfs(join(into, 'initrd'), program.path);
  });
  const result = await run(
    toolPath(base.folder, 'qemu-system-x86_64'),
    [
      ...['-M', 'q35', '-accel', 'kvm', '-cpu', 'host', '-m', '256M', '-nodefaults', '-no-user-config'],
      ...[
        '-display',
        'none',
        '-serial',
        'stdio',
        '-no-reboot',
        '-append',
        'console=ttyS0 quiet panic=-1 role=probe',
      ],
      ...[
        '-kernel',
        join(base.root, `boot/vmlinuz-${base.pins.kernels.old}`),
        '-initrd',
        join(folder, 'initrd'),
      ],
    ],
    { timeoutMs: PROBE_LIMIT_MS, allowFailure: true },
  ).catch(() => null);
  return result?.stdout.includes(PROBE_LINE) === true ? 'kvm' : 'tcg';
}

function parseRecord(text: string | null): { key: string; accelerator: Accelerator } | null {
  const match = /^\{"key":"([0-9a-f]+)","accelerator":"(kvm|tcg)"\}$/.exec(text ?? '');
  return match?.[1] === undefined ? null : { key: match[1], accelerator: match[2] === 'kvm' ? 'kvm' : 'tcg' };
}
