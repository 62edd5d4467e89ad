import { join } from 'node:path';

/** A stand-in for a disk: as large as any, empty, and nobody else's. */
const NULL_DISK = { driver: 'null-co', size: 2 ** 40, 'read-zeroes': true };

/** Addresses that nobody gives to a VM by hand; the kernel lets each be held once. */
const REHEARSAL_CIDS = 0x7000_0000;
/** The same for all: machines that differ in nothing else are rehearsed once. */
const REHEARSAL_MAC = '52:54:00:00:00:01';

/**
 * The command line of a machine like the given one that touches nothing of it: memory, sockets, logs and pid
 * file lie in `directory`, the disks are empty ones, no NIC reaches anybody. It serves to find out, while the VM runs,
 * whether a QEMU takes these arguments and can save and restore this set of devices.
 *
 * @param commandLine as {@link startCommandLine} builds it, without further arguments of the user's.
 */
export function rehearsalCommandLine(commandLine: readonly string[], directory: string): string[] {
  return commandLine.map((word, index) => rewrite(commandLine[index - 1] ?? '', word, directory));
}

/** Monitor of the rehearsal: where `startCommandLine` puts the agent's. */
export function rehearsalMonitor(directory: string): string {
  return join(directory, 'qmp0.sock');
}

function rewrite(option: string, value: string, directory: string): string {
  switch (option) {
    case '-name':
      return 'rehearsal';
    case '-object':
      return value.replace(/mem-path=[^,]*/, `mem-path=${join(directory, 'ram')}`);
    case '-chardev': {
      const id = /(?:^|,)id=([^,]*)/.exec(value)?.[1] ?? 'chardev';
      return `socket,id=${id},path=${join(directory, `${id}.sock`)},server=on,wait=off`;
    }
    case '-pidfile':
      return join(directory, 'pid');
    case '-D':
      return join(directory, 'log');
    case '-device':
      return value
        .replace(/("?guest-cid"?[:=])[0-9]+/, `$1${REHEARSAL_CIDS + process.pid}`)
        .replace(/("mac":")[^"]*/, `$1${REHEARSAL_MAC}`);
    case '-netdev':
      return value.replace(/^tap,id=([^,]*),.*/, 'hubport,id=$1,hubid=0');
    case '-blockdev':
      return JSON.stringify(standIn(JSON.parse(value)));
    default:
      return value;
  }
}

function standIn(node: Readonly<Record<string, unknown>>): object {
  const { driver, 'node-name': name, file, 'read-only': readOnly } = node;
  return driver === 'file' || driver === 'host_device'
    ? { ...NULL_DISK, 'node-name': name, 'read-only': readOnly }
    : { driver: 'raw', 'node-name': name, file, 'read-only': readOnly };
}
