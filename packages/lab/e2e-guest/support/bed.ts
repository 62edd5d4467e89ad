import { buildBase } from '../../src/image/base.ts';
import { machineMirror } from '../../src/image/mirror.ts';
import { type BuildRoot, buildRoot } from '../../src/kernel-guests/build-root.ts';
import { type Kernels, kernelSet } from '../../src/kernel-guests/kernels.ts';
import { kernelSources } from '../../src/kernel-guests/sources.ts';
import { stderrProgress } from '../../src/support/progress.ts';

export interface Bed {
  /** The folder of the lab host's root file system, for its programs. */
  readonly base: string;
  readonly kernels: Kernels;
  readonly root: BuildRoot;
  /** Source files of the newest 6.12. */
  readonly sources: string;
}

/** Everything that the tests' guests and patches are made from; fetched once. */
export async function testBed(): Promise<Bed> {
  const progress = stderrProgress();
  const base = await buildBase({ mirror: await machineMirror(), refresh: false }, progress);
  const kernels = await kernelSet(base, progress);
  const root = await buildRoot(base, kernels, progress);
  return {
    base: base.folder,
    kernels,
    root,
    sources: await kernelSources(base, kernels.kernels['6.12'], progress),
  };
}
