import type { Finding, PatchStatus, Straggler, SwitchReport } from '@exuvia/guest';

/** `transitioning (3 threads: nc (140) in vfs_read, ...)`. */
export function renderState({ state, waitingFor }: PatchStatus): string {
  if (waitingFor.length === 0) return state;
  const shown = waitingFor.slice(0, 3).map(renderStraggler);
  const more = waitingFor.length > shown.length ? ', ...' : '';
  const threads = waitingFor.length === 1 ? '1 thread' : `${waitingFor.length} threads`;
  return `${state} (${threads}: ${shown.join(', ')}${more})`;
}

function renderStraggler({ pid, comm, inside, unknown }: Straggler): string {
  return inside === null ? `${comm} (${pid}), unknown: ${unknown}` : `${comm} (${pid}) in ${inside}`;
}

/** What to do about threads that do not leave. */
export function adviceFor({ state, waitingFor }: PatchStatus): string {
  if (waitingFor.length === 0) return '';
  const what =
    state === 'retiring'
      ? "They still run the patch's code, which stays in the guest until they have left it; every new call runs what was there before."
      : 'They finish what they have begun in the old code; every new call runs the new one.';
  return `${what}
A thread that sleeps there for ever can be left alone, or woken in the guest (a signal, its input, its lock's
holder). \`exuvia guest patch reconcile\` looks again.
`;
}

export function renderSwitch(verb: string, { patch, pauseUs }: SwitchReport): string {
  const count = patch.functions.length === 1 ? '1 function' : `${patch.functions.length} functions`;
  return `${patch.id}: ${count} ${verb} in a stop of ${(pauseUs / 1000).toFixed(2)} ms, from asking QEMU to stop to telling it to go on\n`;
}

export function renderFinding(finding: Finding): string {
  switch (finding.kind) {
    case 'undone':
      return `${finding.id}: a tool was killed before it had applied this patch; nothing of it is in the guest.`;
    case 'finished':
      return `${finding.id}: a tool was killed while it worked on this patch; it is ${finding.state} now.`;
    case 'advanced':
      return `${finding.id} is ${finding.state}.`;
    case 'guest-restored':
      return `The guest's memory was restored from before these patches: ${finding.ids.join(', ')} are gone.`;
    case 'damaged':
      return `${finding.id} is damaged: ${finding.why}.`;
    case 'guest-restarted':
      return `The guest has been restarted or replaced since: ${finding.ids.join(', ')} (of ${finding.wasRelease}) are gone with its old kernel.`;
  }
}
