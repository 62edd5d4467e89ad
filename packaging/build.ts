import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { toErrorBody } from '@exuvia/contract';
import { buildNative } from './lib/native.ts';
import { BUILD, debFile, ROOT } from './lib/paths.ts';
import { stage } from './lib/stage.ts';
import { inputHash } from './lib/stamp.ts';

/**
 * Builds build/exuvia_VERSION_amd64.deb when its inputs have changed and prints its path, alone, on stdout.
 *
 *     build.ts [--release] [--force]
 *
 * `--release` compresses well and slowly; without it the package is quick to build and to unpack, as the lab's images need it.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { release: { type: 'boolean' }, force: { type: 'boolean' } } });
  const compression = values.release === true ? ['-Zxz', '-z6'] : ['-Zzstd', '-z3'];
  const deb = debFile();
  const stampFile = `${deb}.stamp`;
  const native = buildNative();
  const stamp = inputHash(native, compression);
  if (values.force !== true && readIfThere(stampFile) === stamp && readIfThere(deb) !== undefined) {
    process.stderr.write(`package: ${path.relative(ROOT, deb)} is up to date\n`);
  } else {
    rmSync(stampFile, { force: true });
    await buildDeb(deb, native, compression);
    writeFileSync(stampFile, stamp);
  }
  process.stdout.write(`${deb}\n`);
}

async function buildDeb(
  deb: string,
  native: readonly string[],
  compression: readonly string[],
): Promise<void> {
  process.stderr.write(`package: building ${path.relative(ROOT, deb)}\n`);
  const tree = path.join(BUILD, 'package');
  mkdirSync(BUILD, { recursive: true });
  await stage(tree, native);
  // Beside its place first: a build that was broken off leaves no half package.
  const partial = `${deb}.partial`;
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', ...compression, tree, partial], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: sourceDateEpoch() },
  });
  renameSync(partial, deb);
  rmSync(tree, { recursive: true });
}

/** When the sources last changed; a build from a tarball without history falls back to the epoch. */
function sourceDateEpoch(): string {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return given;
  try {
    const paths = ['packages', 'packaging', 'native', 'package.json', 'package-lock.json'];
    return execFileSync('git', ['log', '-1', '--format=%ct', '--', ...paths], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '0';
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

try {
  await main();
} catch (thrown) {
  const { error } = toErrorBody(thrown);
  process.stderr.write(`package: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
  process.exitCode = 1;
}
