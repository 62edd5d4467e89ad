import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPatch, type PatchFile, readPatch } from '@exuvia/guest';
import { buildBase } from '../../image/base.ts';
import { machineMirror } from '../../image/mirror.ts';
import { buildRoot } from '../../kernel-guests/build-root.ts';
import { kernelSet } from '../../kernel-guests/kernels.ts';
import type { Progress } from '../../support/progress.ts';

export interface BenchPatch {
  readonly file: PatchFile;
  readonly bytes: Buffer;
}

/** What /proc/version says in a guest whose patch is {@link VISIBLE}. */
export const PATCHED_TEXT = 'patched version';

/** A replacement that can be seen. */
export const VISIBLE = `#include <linux/seq_file.h>
static int patched_version_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "${PATCHED_TEXT}\\n");
	return 0;
}
EXUVIA_REPLACE(version_proc_show, patched_version_proc_show);
`;

/** The kernel's own function once more (fs/proc/version.c): what patching as such costs. */
export const IDENTICAL = `#include <linux/seq_file.h>
#include <linux/utsname.h>
extern const char linux_proc_banner[];
static int same_version_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, linux_proc_banner, utsname()->sysname, utsname()->release, utsname()->version);
	return 0;
}
EXUVIA_REPLACE(version_proc_show, same_version_proc_show);
`;

/** Builds patches for the benchmark's kernel, 6.12. */
export async function buildBenchPatches(
  sources: readonly string[],
  progress: Progress,
): Promise<readonly BenchPatch[]> {
  const base = await buildBase({ mirror: await machineMirror(), refresh: false }, progress);
  const kernels = await kernelSet(base, progress);
  const { root } = await buildRoot(base, kernels, progress);
  const { release } = kernels.kernels['6.12'];
  const work = await mkdtemp(join(tmpdir(), 'exuvia-bench-'));
  const patches: BenchPatch[] = [];
  try {
    for (const [index, text] of sources.entries()) {
      const source = join(work, `bench${index}.c`);
      const output = join(work, `bench${index}.ko`);
      await writeFile(source, text);
      await buildPatch({ source, release, output, headers: root });
      const bytes = await readFile(output);
      patches.push({ bytes, file: readPatch(bytes, output) });
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return patches;
}
