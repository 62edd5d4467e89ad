/**
 * For tests only: a process whose environment says `EXUVIA_GUEST_FAULT=STEP` dies at this step as by
 * `kill -9`, in the middle of everything. Without the variable this does nothing.
 */
export function fault(step: string): void {
  if (process.env.EXUVIA_GUEST_FAULT === step) process.kill(process.pid, 'SIGKILL');
}
