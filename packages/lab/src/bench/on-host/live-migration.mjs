import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs on a lab host: QEMU's own live migration of a VM into another QEMU on the same host, its RAM copied over a unix
 * socket, with the limits of bandwidth lifted. The guest runs on in the new QEMU until this program ends it.
 *
 *     live-migration.mjs VM        prints {"downtimeMs", "totalMs", "converged"}
 *
 * downtime: from the old QEMU's event STOP to the new one's RESUME. total: from the command to RESUME. A guest that writes
 * faster than it is copied never stops by itself: after `PATIENCE_MS` any length of its pause is allowed, and it has not converged.
 */
const [vm] = process.argv.slice(2);
const PATIENCE_MS = 30_000;
const runtime = `/run/exuvia/vms/${vm}`;
const next = '/run/exuvia-live-migration';
const ram = '/dev/shm/exuvia-live-migration';

class Monitor {
  #waiting = new Map();
  #nextId = 1;
  events = new Map();

  static async open(path) {
    for (;;) {
      try {
        const socket = createConnection(path);
        await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
        const monitor = new Monitor(socket);
        await monitor.execute('qmp_capabilities');
        return monitor;
      } catch {
        await sleep(20);
      }
    }
  }

  constructor(socket) {
    this.socket = socket;
    socket.on('error', () => {});
    createInterface(socket).on('line', (line) => {
      const message = JSON.parse(line);
      if (message.event !== undefined) this.events.set(message.event, performance.now());
      else this.#waiting.get(message.id)?.(message);
    });
  }

  async execute(command, args = {}) {
    const id = String(this.#nextId++);
    const reply = await new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\r\n`);
    });
    if (reply.error !== undefined) throw new Error(`${command}: ${reply.error.desc}`);
    return reply.return;
  }
}

const pid = readFileSync(`${runtime}/qemu.pid`, 'utf8').trim();
const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0$/, '').split('\0');
const size = Number(/size=([0-9]+)M/.exec(commandLine.join(' '))?.[1]) * 2 ** 20;
rmSync(next, { recursive: true, force: true });
mkdirSync(next);
writeFileSync(ram, '');
truncateSync(ram, size);
const [binary, ...rest] = commandLine.map((word) =>
  word.replaceAll(`${runtime}/`, `${next}/`).replace(/mem-path=[^,]*/, `mem-path=${ram}`),
);
const affinity =
  /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
const child = spawn(
  'taskset',
  ['-c', affinity, binary, ...rest, '-incoming', `unix:${next}/migration.sock`],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);
try {
  const to = await Monitor.open(`${next}/qmp.sock`);
  const from = await Monitor.open(`${runtime}/handover.sock`);
  const capabilities = [{ capability: 'events', state: true }];
  await from.execute('migrate-set-capabilities', { capabilities });
  await from.execute('migrate-set-parameters', { 'max-bandwidth': 0 });
  const begin = performance.now();
  await from.execute('migrate', { uri: `unix:${next}/migration.sock` });
  let converged = true;
  while (!to.events.has('RESUME')) {
    await sleep(5);
    if (converged && performance.now() - begin > PATIENCE_MS) {
      converged = false;
      await from.execute('migrate-set-parameters', { 'downtime-limit': 2_000_000 });
    }
  }
  const resumed = to.events.get('RESUME');
  const result = { downtimeMs: resumed - from.events.get('STOP'), totalMs: resumed - begin, converged };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  child.kill('SIGKILL');
  rmSync(next, { recursive: true, force: true });
  rmSync(ram, { force: true });
}
process.exit(0);
