/** Where things lie on a host. One place, so that agent, native programs, package and lab agree. */
export const HOST_PATHS = {
  config: '/etc/exuvia/agent.yaml',
  specs: '/etc/exuvia/vms',
  state: '/var/lib/exuvia',
  journal: '/var/lib/exuvia/journal.jsonl',
  updates: '/var/lib/exuvia/updates',
  setup: '/var/lib/exuvia/setup.json',
  /** Whether memory outlives a restart of this machine through its firmware, as updates have seen it. */
  reset: '/var/lib/exuvia/reset.json',
  store: '/var/lib/exuvia/store',
  saved: '/var/lib/exuvia/saved',
  runtime: '/run/exuvia',
  socket: '/run/exuvia/agent.sock',
  logs: '/var/log/exuvia',
  native: '/usr/lib/exuvia/native',
} as const;

/** Label of the file system on the store's PMEM device (ext4 labels: at most 16 bytes). */
export const STORE_LABEL = 'exuvia-store';

export const SLICE = 'exuvia.slice';

/** Paths of one VM. `name` must have passed the spec's validation: it is used as a path element. */
export function vmPaths(name: string) {
  const store = `${HOST_PATHS.store}/vms/${name}`;
  const runtime = `${HOST_PATHS.runtime}/vms/${name}`;
  return {
    spec: `${HOST_PATHS.specs}/${name}.yaml`,
    /** In the store: outlives the kernel. */
    store,
    ram: `${store}/ram`,
    deviceState: `${store}/device-state`,
    instance: `${store}/instance.json`,
    /** On disk, memory included: an update by reboot. */
    savedState: `${HOST_PATHS.saved}/${name}.state`,
    /** In /run: sockets and pid file of the running QEMU. */
    runtime,
    /** The same files of a QEMU that is about to take the running one's place; no VM's name has a dot. */
    next: `${runtime}.next`,
    qmp: `${runtime}/qmp.sock`,
    /** A second monitor, for the native program that pauses and saves. */
    handoverQmp: `${runtime}/handover.sock`,
    console: `${runtime}/console.sock`,
    /** The channel to the guest agent. */
    guestAgent: `${runtime}/guest-agent.sock`,
    pidFile: `${runtime}/qemu.pid`,
    consoleLog: `${HOST_PATHS.logs}/vms/${name}.console.log`,
    qemuLog: `${HOST_PATHS.logs}/vms/${name}.qemu.log`,
    scope: `exuvia-vm-${name}.scope`,
  } as const;
}
