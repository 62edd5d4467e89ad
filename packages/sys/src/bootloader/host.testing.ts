import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import { readIfExists } from '../files/read.ts';

/** Two of Debian's kernels, as the fixtures have them. */
export const NEW = '7.2.12+deb13-cloud-amd64';
export const OLD = '6.12.117+deb13-cloud-amd64';

const searched = process.env.PATH;
afterEach(() => {
  process.env.PATH = searched;
});

/** A directory in place of a host's root: its files are real, its programs are scripts, found until the test ends. */
export class TestRoot {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }
  file(name: string): string {
    return join(this.path, name);
  }
  async put(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.file(name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }
  /** Stands in for a program that would change this machine's boot; returns what tells what it was called with. */
  async program(name: string, script: string): Promise<() => Promise<string | null>> {
    const log = this.file(`${name}.log`);
    const file = await this.put(`bin/${name}`, `#!/bin/sh\necho "$@" >> '${log}'\n${script}\n`);
    await chmod(file, 0o755);
    process.env.PATH = `${this.file('bin')}:${searched}`;
    return () => readIfExists(log);
  }
}
