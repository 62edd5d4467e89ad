import { describePatch, readPatch } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../../exit.ts';
import { readGivenFile } from '../../../given-file.ts';
import { show as print } from '../../../print.ts';
import type { Invocation } from '../../../program.ts';
import { describeFile } from './describe-file.ts';

/** What a patch file would do, and what makes it unacceptable. Status 3 when something does. */
export async function show({ args, options, io }: Invocation): Promise<ExitStatus> {
  const file = args[0] ?? '';
  const bytes = await readGivenFile(file);
  const description = describePatch(readPatch(bytes, file));
  print(io, options, description, () => describeFile(description, io, { sections: true }));
  return description.acceptable ? EXIT.ok : EXIT.refused;
}
