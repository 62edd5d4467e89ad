import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HOST_PATHS } from '@exuvia/contract';

const BUILT_HERE = join(import.meta.dirname, '../../../build/native');

/** Path of a native program: the one built in this source tree, or the installed package's. */
export function nativeProgram(name: string): string {
  const built = join(BUILT_HERE, name);
  return existsSync(built) ? built : join(HOST_PATHS.native, name);
}
