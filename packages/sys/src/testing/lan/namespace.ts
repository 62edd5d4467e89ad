import { existsSync } from 'node:fs';
import { run } from '../../process/run.ts';

/** A network namespace that stands for another machine; gone when it is removed, with all that is in it. */
export interface TestNamespace {
  readonly name: string;
  /** Runs `ip` in it. */
  ip(...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

/** The sentence that says why this machine cannot have network namespaces; `null` when it can. */
export function namespacesMissing(): string | null {
  if (process.getuid?.() !== 0) return 'Only root can make network namespaces.';
  return existsSync('/dev/net/tun') ? null : 'This machine has no /dev/net/tun.';
}

export async function makeNamespace(label: string): Promise<TestNamespace> {
  const name = `exuvia-${label}-${process.pid}`;
  await run('ip', ['netns', 'add', name]);
  const ip = async (...args: string[]) => (await run('ip', ['-n', name, ...args])).stdout;
  await ip('link', 'set', 'lo', 'up');
  return { name, ip, remove: async () => void (await run('ip', ['netns', 'delete', name])) };
}
