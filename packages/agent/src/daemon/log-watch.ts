export interface LogWatch {
  /** Cuts what is too long. Never rejects. */
  cutLogs(): Promise<void>;
  /** The host has nothing to spare for it: an update is under way. */
  isBusy(): boolean;
  /** Default: 30 s. A console takes some MiB a second at most. */
  readonly everyMs?: number;
}

/**
 * Has the logs of VMs cut from time to time, one time after the other, and never while an update is under way. It keeps no
 * process.
 *
 * @returns what ends it; what it does at that moment may go on, and may be killed.
 */
export function watchLogs({ cutLogs, isBusy, everyMs = 30_000 }: LogWatch): () => void {
  let cutting = false;
  const look = async () => {
    if (cutting || isBusy()) return;
    cutting = true;
    await cutLogs();
    cutting = false;
  };
  const timer = setInterval(() => void look(), everyMs).unref();
  return () => clearInterval(timer);
}
