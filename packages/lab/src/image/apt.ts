import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { patiently } from '../support/patience.ts';
import { type Mirror, type Suite, sourceLines } from './mirror.ts';

/** Signs trixie's archive too: the package debian-archive-keyring of every Debian since bookworm. */
export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** A private apt that knows some suites' packages and leaves the machine's own apt alone. */
export interface Apt {
  /** Versions on offer, newest first, as `apt-cache madison` lists them. */
  versions(name: string): Promise<string[]>;
  /** Names of packages that match a regular expression. */
  names(pattern: string): Promise<string[]>;
  /** Downloads packages (`name=version`) into a folder; returns nothing, the files have apt's names. */
  download(packages: readonly string[], folder: string): Promise<void>;
  readonly sources: readonly string[];
}

/** Sets up a private apt in `folder` and fetches the package lists. `suites`: default the lab host's. */
export async function openApt(folder: string, mirror: Mirror, suites?: readonly Suite[]): Promise<Apt> {
  const configuration = join(folder, 'apt.conf');
  const sources = sourceLines(mirror, KEYRING, suites);
  await mkdir(join(folder, 'state/lists/partial'), { recursive: true });
  await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
  await mkdir(join(folder, 'empty'), { recursive: true });
  await writeFile(join(folder, 'status'), '');
  await writeFile(join(folder, 'sources.list'), `${sources.join('\n')}\n`);
  // Asked of the machine's own apt: nothing else of its configuration counts here.
  const { stdout: machines } = await run('apt-config', ['dump', 'Acquire']);
  await writeFile(configuration, aptConfiguration(folder, machines));
  const env = { APT_CONFIG: configuration };
  await run('apt-get', ['update'], { env, timeoutMs: patiently(300_000) });
  return {
    sources,
    async versions(name) {
      const { stdout } = await run('apt-cache', ['madison', name], { env });
      return stdout.split('\n').flatMap((line) => line.split('|')[1]?.trim() ?? []);
    },
    async names(pattern) {
      const { stdout } = await run('apt-cache', ['pkgnames'], { env });
      const expression = new RegExp(pattern);
      return stdout.split('\n').filter((name) => expression.test(name));
    },
    async download(packages, into) {
      await mkdir(into, { recursive: true });
      await run('apt-get', ['download', ...packages], { env, cwd: into, timeoutMs: patiently(600_000) });
    },
  };
}

/** The newest (or oldest) of Debian versions, by dpkg's own comparison. */
export async function newestVersion(
  versions: readonly string[],
  options: { oldest?: boolean } = {},
): Promise<string | undefined> {
  const better = options.oldest === true ? 'lt' : 'gt';
  let best: string | undefined;
  for (const version of versions) {
    const compared = best === undefined ? [] : ['--compare-versions', version, better, best];
    if (best === undefined || (await run('dpkg', compared, { allowFailure: true })).exitCode === 0) {
      best = version;
    }
  }
  return best;
}

/** @throws ExuviaError `keyring-missing` when this machine cannot check Debian's signatures. */
export async function requireKeyring(): Promise<void> {
  await readFile(KEYRING).catch((cause: unknown) => {
    throw new ExuviaError('keyring-missing', `There is no ${KEYRING} to check Debian's signatures with.`, {
      hint: 'Install the package debian-archive-keyring.',
      cause,
    });
  });
}

/** The configuration of a private apt. `machines`: the machine's own, as `apt-config dump Acquire` has it. */
export function aptConfiguration(folder: string, machines: string): string {
  return `${howToReachArchives(machines)}Dir::State "${folder}/state";
Dir::State::status "${folder}/status";
Dir::Cache "${folder}/cache";
Dir::Etc::sourcelist "${folder}/sources.list";
Dir::Etc::sourceparts "${folder}/empty";
Dir::Etc::main "${folder}/none";
Dir::Etc::parts "${folder}/empty";
Dir::Etc::preferences "${folder}/none";
Dir::Etc::preferencesparts "${folder}/empty";
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
`;
}

/** Proxies, certificates, limits: what a machine may need to reach any archive. */
function howToReachArchives(machines: string): string {
  const lines = machines
    .split('\n')
    .filter((line) => /^Acquire::(https?|ForceIPv[46]|Retries|Queue-)\b/i.test(line));
  return lines.map((line) => `${line}\n`).join('');
}
