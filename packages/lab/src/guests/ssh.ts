import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type CpioEntry, cpioArchive } from '@exuvia/sys';
import type { Base } from '../image/base.ts';
import type { Credentials } from '../image/credentials.ts';
import { librariesOf } from '../image/toolbox.ts';

const PROGRAMS = [
  'usr/sbin/sshd',
  'usr/lib/openssh/sshd-session',
  'usr/lib/openssh/sshd-auth',
  'usr/bin/dash',
];

/** Root may log in with the lab's own key, and the guest has the lab host's. */
const SSH_FILES: Readonly<Record<string, string>> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/usr/bin/dash\nsshd:x:991:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/ssh/sshd_config':
    'HostKey /etc/ssh/host\nUsePAM no\nPasswordAuthentication no\nStrictModes no\nUseDNS no\nPrintMotd no\n',
};

/** What makes a guest's initramfs one with the sshd of the lab host's root file system; to be appended to it. */
export async function sshArchive(base: Base, credentials: Credentials): Promise<Buffer> {
  const libraries = await librariesOf(base.folder, PROGRAMS);
  const programs = await Promise.all(
    [...PROGRAMS, ...libraries].map(
      async (path): Promise<CpioEntry> => ({
        type: 'file',
        path,
        mode: 0o755,
        data: await readFile(await realpath(join(base.root, path))),
      }),
    ),
  );
  return cpioArchive([
    { type: 'symlink', path: 'lib64', target: 'usr/lib64' },
    { type: 'symlink', path: 'lib', target: 'usr/lib' },
    ...programs,
    ...Object.entries(SSH_FILES).map(
      ([path, text]): CpioEntry => ({ type: 'file', path, mode: 0o644, data: Buffer.from(text) }),
    ),
    { type: 'file', path: 'etc/ssh/host', mode: 0o600, data: await readFile(credentials.hostKey) },
    {
      type: 'file',
      path: 'root/.ssh/authorized_keys',
      mode: 0o600,
      data: await readFile(`${credentials.sshKey}.pub`),
    },
  ]);
}
