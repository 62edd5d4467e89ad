/** What the exit status of `exuvia` says. Part of the interface: scripts rely on it. */
export const EXIT = {
  ok: 0,
  /** Something went wrong, the update was aborted or failed, or a VM is not well after it. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The agent or `exuvia guest` refused, or a check failed: nothing was changed. */
  refused: 3,
  /** Nobody was reached: no agent or, by `exuvia guest`, no monitor of the VM. */
  unreachable: 4,
  /** Ctrl-C, as shells report it. */
  interrupted: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];
