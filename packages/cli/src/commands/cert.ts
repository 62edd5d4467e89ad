import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ExuviaError } from '@exuvia/contract';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';

/**
 * Makes an authority, a certificate for an agent (`server`) and one for a client, each with its key, in a
 * directory that only its owner can read.
 */
export async function certInit({
  args,
  options,
  io,
}: Invocation<{ name: readonly string[]; days: string }>): Promise<ExitStatus> {
  const directory = resolve(args[0] ?? '.');
  if (!/^[1-9][0-9]{0,4}$/.test(options.days)) {
    throw new ExuviaError('usage', `--days ${options.days} is not a number of days.`);
  }
  const names = options.name.map(alternativeName).join(',');
  const made = await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    await makeAll(directory, names, options.days);
  } catch (error) {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  }
  const file = (name: string) => join(directory, name);
  const files = { ca: file('ca.crt'), server: file('server.crt'), client: file('client.crt') };
  show(io, options, files, () => explanation(directory));
  return EXIT.ok;
}

function alternativeName(name: string): string {
  if (isIP(name) !== 0) return `IP:${name}`;
  if (/^[A-Za-z0-9*]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(name)) return `DNS:${name}`;
  throw new ExuviaError('usage', `--name ${name} is neither a host name nor an address.`);
}

const FILES = ['ca.key', 'ca.crt', 'ca.srl', 'server.key', 'server.crt', 'client.key', 'client.crt'];

/** All of the files or none of them: what is half made would stand in the way of the next try. */
async function makeAll(directory: string, names: string, days: string): Promise<void> {
  const unfinished = await prepare(directory);
  try {
    await makeAuthority(unfinished, days);
    const server = `extendedKeyUsage=serverAuth\nsubjectAltName=${names}`;
    await makeCertificate(unfinished, 'server', days, server);
    await makeCertificate(unfinished, 'client', days, 'extendedKeyUsage=clientAuth');
    for (const file of FILES) await rename(join(unfinished, file), join(directory, file));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** An authority that is overwritten locks out everyone who holds one of its certificates: refuse instead. */
async function prepare(directory: string): Promise<string> {
  const there = await readdir(directory);
  const old = FILES.find((file) => there.includes(file));
  if (old !== undefined) {
    throw new ExuviaError('file-unreadable', `${join(directory, old)} exists already.`, {
      hint: 'Choose another directory, or remove the old authority.',
    });
  }
  return await mkdtemp(join(directory, '.unfinished-'));
}

async function makeAuthority(directory: string, days: string): Promise<void> {
  await openssl(directory, [
    ...['req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', days],
    ...['-subj', '/CN=Exuvia authority', '-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0'],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ]);
}

async function makeCertificate(
  directory: string,
  name: string,
  days: string,
  extensions: string,
): Promise<void> {
  const request = ['req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`];
  await openssl(directory, [...request, '-subj', `/CN=Exuvia ${name}`]);
  const extensionFile = join(directory, `${name}.ext`);
  await writeFile(
    extensionFile,
    `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n${extensions}\n`,
  );
  await openssl(directory, [
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-out', `${name}.crt`, '-days', days, '-extfile', `${name}.ext`],
  ]);
  await Promise.all([`${name}.csr`, `${name}.ext`].map((file) => rm(join(directory, file))));
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'] as const;

async function openssl(directory: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('openssl', args, { cwd: directory });
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new ExuviaError('openssl-failed', `openssl ${args[0]} failed.`, {
      hint: said === '' ? 'Install it: apt install openssl' : `It said: ${said}`,
      cause,
    });
  }
}

function explanation(directory: string): string {
  return `Authority, server and client certificates are in ${directory}. On the host, in /etc/exuvia/agent.yaml:

remote:
  listen: 0.0.0.0:7443
  ca: ${directory}/ca.crt
  cert: ${directory}/server.crt
  key: ${directory}/server.key

Then: systemctl reload exuvia-agent. From elsewhere, with ca.crt, client.crt and client.key:

  exuvia --host https://HOST:7443 --ca ca.crt --cert client.crt --key client.key status

Keep ca.key offline: whoever has it can let anyone in.
`;
}
