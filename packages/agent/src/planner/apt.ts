import { run } from '@exuvia/sys';
import { choosePackage } from './kernel.ts';

/** The apt line that installs a kernel, by what apt knows now; `null` when it knows none (or there is no apt). */
export async function aptLineForKernel(requested: string, running: string): Promise<string | null> {
  const pattern = `^linux-image-${requested.replaceAll(/[.+]/g, '\\$&')}`;
  const names = (await askAptCache('search', '--names-only', '--', pattern))
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
  const name = choosePackage(requested, names, running);
  if (name === null) return null;
  const suite = suiteToName(await askAptCache('policy', '--', name));
  return `apt install ${suite === null ? '' : `-t ${suite} `}${name}`;
}

async function askAptCache(...args: string[]): Promise<string> {
  return run('apt-cache', args, { allowFailure: true }).then(
    ({ stdout }) => stdout,
    () => '',
  );
}

/** What apt installs without being asked has at least this priority (apt_preferences(5)); backports have 100. */
const ORDINARY_PRIORITY = 500;

/**
 * The suite that apt must be told, because what a package from it depends on is not taken from there otherwise: that of the
 * package's first source, where that has a low priority. `null`: none need be named. Pure.
 *
 * @param policy the output of `apt-cache policy PACKAGE`
 */
export function suiteToName(policy: string): string | null {
  const [, priority, suite] = /^\s+(-?\d+) \S+ ([^/\s]+)\/\S+ \S+ Packages$/m.exec(policy) ?? [];
  return suite !== undefined && Number(priority) < ORDINARY_PRIORITY ? suite : null;
}
