import { ExuviaError } from '@exuvia/contract';

/** Hands the rest of the command line to the lab, which is not part of the host package. Its exit status is ours. */
export async function lab(args: readonly string[]): Promise<number> {
  const { labCommand } = await loadLab();
  return await labCommand(args);
}

/**
 * For a command line that does not begin with `lab`: the lab has options of its own.
 *
 * @throws ExuviaError `usage`.
 */
export function refuseLab(): never {
  throw new ExuviaError('usage', 'No option comes before `lab`: exuvia lab COMMAND [options].');
}

async function loadLab() {
  try {
    return await import('@exuvia/lab');
  } catch (cause) {
    if (!isModuleMissing(cause)) throw cause;
    throw new ExuviaError('lab-missing', 'The lab is not part of the host package.', {
      hint: 'Get the sources and run `npm run demo` there.',
      cause,
    });
  }
}

function isModuleMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
}
