import { open, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { listIfExists, readIfExists } from '../files/read.ts';

/** A watchdog of the machine, as Linux's watchdog core shows it (Documentation/ABI/testing/sysfs-class-watchdog). */
export interface Watchdog {
  readonly device: string;
  readonly identity: string;
  /** The module of its driver; `null`: it is built in. */
  readonly module: string | null;
  /** It runs on when the kernel restarts or jumps; `null`: it cannot be told. */
  readonly staysArmed: boolean | null;
  /** It can be stopped once it runs: its driver was not loaded, or built, with `nowayout`. */
  readonly stoppable: boolean;
  /** Somebody (systemd, a daemon) holds it and feeds it. */
  readonly inUse: boolean;
}

/** The first hardware watchdog; `null` when there is none. One in software dies with its kernel. */
export async function findWatchdog(root = '/sys'): Promise<Watchdog | null> {
  const directory = `${root}/class/watchdog`;
  for (const name of (await listIfExists(directory)).sort()) {
    const read = async (file: string) => (await readIfExists(`${directory}/${name}/${file}`))?.trim() ?? '';
    const identity = await read('identity');
    if (identity === 'Software Watchdog') continue;
    const stop = (await readIfExists(`${root}/module/watchdog/parameters/stop_on_reboot`))?.trim();
    return {
      device: `/dev/${name}`,
      identity,
      module: (await moduleOf(`${directory}/${name}`)) ?? (await onlyDriver(root)),
      stoppable: (await read('nowayout')) !== '1',
      staysArmed: stop === undefined ? null : stop === '0',
      inUse: (await read('state')) === 'active',
    };
  }
  return null;
}

async function moduleOf(path: string): Promise<string | null> {
  return readlink(`${path}/device/driver/module`).then(
    (target) => basename(target),
    () => null,
  );
}

/** Some drivers (i6300esb, Linux 6.12) do not say which device theirs is: then it is the one that uses the watchdog core. */
async function onlyDriver(root: string): Promise<string | null> {
  const users = await listIfExists(`${root}/module/watchdog/holders`);
  const [driver = null, ...others] = users.filter((name) => name !== 'softdog');
  return others.length === 0 ? driver : null;
}

/** Stops a watchdog by the magic close (Documentation/watchdog/watchdog-api.rst). */
export async function stopWatchdog(device: string): Promise<void> {
  const handle = await open(device, 'w');
  try {
    await handle.write('V');
  } finally {
    await handle.close();
  }
}
