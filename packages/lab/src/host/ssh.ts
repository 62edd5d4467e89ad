import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { type RunOptions, type RunResult, run } from '@exuvia/sys';
import { type Credentials, LAB_HOSTNAME } from '../image/credentials.ts';
import { patiently } from '../support/patience.ts';
import type { LabState } from './state.ts';

const DEFAULT_LIMIT_MS = 60_000;

/** Runs a shell command as root on the lab host. Throws as {@link run} does. */
export function labRun(state: SshTarget, command: string, options: RunOptions = {}): Promise<RunResult> {
  const timeoutMs = patiently(options.timeoutMs ?? DEFAULT_LIMIT_MS);
  const args = [...sshOptions(state), '-o', 'BatchMode=yes', 'root@127.0.0.1', command];
  return run('ssh', args, { ...options, timeoutMs });
}

/** The same with this terminal's input and output; resolves with the exit code. */
export function labInteractive(state: SshTarget, command: readonly string[]): Promise<number> {
  const terminal = process.stdin.isTTY ? ['-t'] : [];
  const args = [...sshOptions(state), ...terminal, 'root@127.0.0.1', ...command];
  return new Promise((resolve, reject) => {
    const child = spawn('ssh', args, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 255));
  });
}

/** Copies a local file to the lab host. */
export async function labCopy(state: SshTarget, from: string, to: string): Promise<void> {
  await labRun(state, `cat > '${to}'`, { input: await readFile(from), timeoutMs: 300_000 });
}

export type SshTarget = Pick<LabState, 'sshPort' | 'sshKey' | 'knownHosts'>;

/** Writes the lab host's public key where ssh looks for it: the connection is checked like any other. */
export async function writeKnownHosts(credentials: Credentials, path: string): Promise<void> {
  const [type, key] = (await readFile(`${credentials.hostKey}.pub`, 'utf8')).split(' ');
  await writeFile(path, `${LAB_HOSTNAME} ${type} ${key}\n`);
}

function sshOptions(state: SshTarget): string[] {
  const options = {
    IdentityFile: state.sshKey,
    IdentitiesOnly: 'yes',
    HostKeyAlias: LAB_HOSTNAME,
    UserKnownHostsFile: state.knownHosts,
    StrictHostKeyChecking: 'yes',
    LogLevel: 'ERROR',
    ConnectTimeout: '10',
    // While the host's kernel is replaced nothing answers for some seconds: that is no reason to hang up.
    ServerAliveInterval: '30',
  };
  return [
    ...['-F', 'none', '-p', String(state.sshPort)],
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
}
