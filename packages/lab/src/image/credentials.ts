import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { cached, keyOf } from '../support/cache.ts';

/** Keys that the lab made for itself, once; they open nothing but lab hosts. */
export interface Credentials {
  readonly key: string;
  /** Private ssh key of root on the lab host; the public one beside it ends in `.pub`. */
  readonly sshKey: string;
  readonly hostKey: string;
  /** TLS: one authority signs the agent's certificate and the lab's own client certificate. */
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** What certificates and ssh's known_hosts call the lab host. */
export const LAB_HOSTNAME = 'exuvia-lab';

/** Makes the lab's keys and certificates, or returns those made before. */
export async function labCredentials(): Promise<Credentials> {
  const folder = await cached('credentials', keyOf(2), makeAll);
  const file = (name: string) => join(folder, name);
  return {
    key: folder,
    sshKey: file('ssh'),
    hostKey: file('host'),
    ca: file('ca.crt'),
    server: { cert: file('server.crt'), key: file('server.key') },
    client: { cert: file('client.crt'), key: file('client.key') },
  };
}

async function makeAll(folder: string): Promise<void> {
  for (const name of ['ssh', 'host']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'exuvia-lab', '-f', join(folder, name)]);
  }
  await mkdir(folder, { recursive: true });
  await makeAuthority(folder);
  await makeCertificate(
    folder,
    'server',
    `subjectAltName=DNS:${LAB_HOSTNAME},DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n`,
  );
  await makeCertificate(folder, 'client', 'extendedKeyUsage=clientAuth\n');
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
const DAYS = ['-days', '3650'];

async function makeAuthority(folder: string): Promise<void> {
  await run('openssl', [
    'req',
    '-x509',
    ...NEW_KEY,
    ...DAYS,
    '-subj',
    '/CN=Exuvia lab',
    '-keyout',
    join(folder, 'ca.key'),
    '-out',
    join(folder, 'ca.crt'),
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  ]);
}

async function makeCertificate(folder: string, name: string, extensions: string): Promise<void> {
  const path = (suffix: string) => join(folder, `${name}.${suffix}`);
  await run('openssl', [
    'req',
    '-new',
    ...NEW_KEY,
    '-subj',
    `/CN=exuvia-lab-${name}`,
    '-keyout',
    path('key'),
    '-out',
    path('csr'),
  ]);
  await writeFile(path('ext'), extensions);
  await run('openssl', [
    'x509',
    '-req',
    ...DAYS,
    '-in',
    path('csr'),
    '-out',
    path('crt'),
    '-extfile',
    path('ext'),
    '-CA',
    join(folder, 'ca.crt'),
    '-CAkey',
    join(folder, 'ca.key'),
    '-CAcreateserial',
  ]);
}
