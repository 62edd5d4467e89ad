import { run } from '@exuvia/sys';
import { choosePackage } from './kernel.ts';

/** The apt line that installs a kernel, by what apt knows now; `null` when it knows none (or there is no apt). */
export async function aptLineForKernel(requested: string, running: string): Promise<string | null> {
  const pattern = `^linux-image-${requested.replaceAll(/[.+]/g, '\\$&')}`;
  const { stdout } = await run('apt-cache', ['search', '--names-only', '--', pattern], {
    allowFailure: true,
  }).catch(() => ({ stdout: '' }));
  const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
  const name = choosePackage(requested, names, running);
  return name === null ? null : `apt install ${name}`;
}
