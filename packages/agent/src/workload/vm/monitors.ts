import { QmpClient, type QmpEvent } from '@exuvia/qemu';
import type { VmDependencies } from './dependencies.ts';

/** Called when a guest has powered itself down and its QEMU has ended. */
export type GuestEnded = (name: string) => void;

/**
 * One connection a running VM, kept open: a monitor serves one client at a time, so whoever wants to say
 * something to a QEMU does it through here. What QEMU reports by itself goes to the log.
 */
export class Monitors {
  readonly #dependencies: Pick<VmDependencies, 'log' | 'paths' | 'timeoutMs'>;
  readonly #guestEnded: GuestEnded;
  readonly #clients = new Map<string, Promise<QmpClient>>();

  constructor(dependencies: Pick<VmDependencies, 'log' | 'paths' | 'timeoutMs'>, guestEnded: GuestEnded) {
    this.#dependencies = dependencies;
    this.#guestEnded = guestEnded;
  }

  /** The connection to a VM's monitor, made if there is none. Throws what {@link QmpClient.connect} throws. */
  async get(name: string): Promise<QmpClient> {
    const known = this.#clients.get(name);
    const client = await known;
    if (client?.state.kind === 'ready') return client;
    // Whoever else waited for the same connection may have made a new one meanwhile.
    if (this.#clients.get(name) !== known) return this.get(name);
    const connecting = this.#connect(name);
    this.#clients.set(name, connecting);
    connecting.catch(() => this.#forget(name, connecting));
    return connecting;
  }

  /** Lets go of a VM's monitor, so that the next one to ask gets that of a new QEMU. */
  async drop(name: string): Promise<void> {
    const known = this.#clients.get(name);
    this.#clients.delete(name);
    const client = await known?.catch(() => undefined);
    client?.close();
  }

  /** Lets go of all monitors; the VMs run on. */
  async close(): Promise<void> {
    const all = await Promise.allSettled(this.#clients.values());
    for (const result of all) if (result.status === 'fulfilled') result.value.close();
  }

  async #connect(name: string): Promise<QmpClient> {
    const { paths, timeoutMs } = this.#dependencies;
    const client = await QmpClient.connect(paths(name).qmp, { timeoutMs });
    void this.#watch(name, client);
    return client;
  }

  async #watch(name: string, client: QmpClient): Promise<void> {
    let guestShutdown = false;
    client.onEvent((event) => {
      if (event.name === 'SHUTDOWN') guestShutdown = event.data.reason === 'guest-shutdown';
      this.#report(name, event);
    });
    const reason = await client.closed;
    if (reason.kind === 'closed-by-us') return;
    this.#dependencies.log.info({ vm: name, reason: reason.kind }, 'The monitor of a VM has closed.');
    if (guestShutdown) this.#guestEnded(name);
  }

  #report(name: string, event: QmpEvent): void {
    const { log } = this.#dependencies;
    const data = { vm: name, event: event.name, data: event.data };
    if (BAD.has(event.name)) log.error(data, 'A VM is in trouble.');
    else if (NOTABLE.has(event.name)) log.info(data, 'A VM reports.');
  }

  #forget(name: string, which: Promise<QmpClient>): void {
    if (this.#clients.get(name) === which) this.#clients.delete(name);
  }
}

const BAD: ReadonlySet<QmpEvent['name']> = new Set([
  'GUEST_PANICKED',
  'BLOCK_IO_ERROR',
  'BLOCK_IMAGE_CORRUPTED',
  'MEMORY_FAILURE',
  'WATCHDOG',
]);

const NOTABLE: ReadonlySet<QmpEvent['name']> = new Set([
  'SHUTDOWN',
  'RESET',
  'POWERDOWN',
  'STOP',
  'RESUME',
  'SUSPEND',
  'WAKEUP',
]);
