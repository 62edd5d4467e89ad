import { buildPatch, describePatch } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../../exit.ts';
import { show as print } from '../../../print.ts';
import type { Invocation } from '../../../program.ts';
import { describeFile } from './describe-file.ts';

interface BuildOptions {
  readonly kernel: string;
  readonly output: string;
  readonly headers?: string;
  readonly cc?: string;
}

/** Builds a patch from C; one that could not be applied is built, shown and counted as a failure. */
export async function build({ args, options, io }: Invocation<BuildOptions>): Promise<ExitStatus> {
  const patch = await buildPatch({
    source: args[0] ?? '',
    release: options.kernel,
    output: options.output,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    ...(options.cc === undefined ? {} : { compiler: options.cc }),
  });
  const description = describePatch(patch);
  print(io, options, description, () => describeFile(description, io, { sections: false }));
  return description.acceptable ? EXIT.ok : EXIT.refused;
}
