import type { Finding, PatchStatus } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../../exit.ts';
import type { Io } from '../../../io.ts';
import { show, table } from '../../../print.ts';
import type { Invocation } from '../../../program.ts';
import { targetOf } from '../target.ts';
import { type PatchOptions, withPatches } from './open.ts';
import { adviceFor, renderFinding, renderState } from './render-state.ts';

/** The patches that are in a guest. */
export async function list(invocation: Invocation<PatchOptions>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const found = await withPatches(await targetOf(invocation), options, async (patches) => ({
    patches: patches.list(),
    findings: patches.findings,
  }));
  show(io, options, found, () => renderAll(found.patches, found.findings, io));
  return EXIT.ok;
}

/** Puts right what a killed tool has left, and looks whether threads have left what was replaced. */
export async function reconcile(invocation: Invocation<PatchOptions>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const found = await withPatches(await targetOf(invocation), options, async (patches) => {
    const advanced = await patches.reconcile();
    const known = new Set(patches.findings.map((finding) => JSON.stringify(finding)));
    const more = advanced.filter((finding) => !known.has(JSON.stringify(finding)));
    return { patches: patches.list(), findings: [...patches.findings, ...more] };
  });
  show(io, options, found, () => {
    const advice = found.patches.find(({ waitingFor }) => waitingFor.length > 0);
    return renderAll(found.patches, found.findings, io) + (advice === undefined ? '' : adviceFor(advice));
  });
  return found.findings.some(({ kind }) => kind === 'damaged') ? EXIT.failed : EXIT.ok;
}

function renderAll(patches: readonly PatchStatus[], findings: readonly Finding[], io: Io): string {
  const notes = findings.map((finding) => `${renderFinding(finding)}\n`).join('');
  if (patches.length === 0) return `${notes}The guest has no patches.\n`;
  const rows = patches.map((patch) => [
    patch.id,
    renderState(patch),
    patch.functions.map(renderFunction).join(', '),
    String(patch.codeBytes + patch.dataBytes),
    patch.appliedAt,
  ]);
  return notes + table(['patch', 'state', 'functions', 'bytes', 'applied'], rows, io);
}

function renderFunction({ object, name, position, coveredBy }: PatchStatus['functions'][number]): string {
  const where = object === 'vmlinux' ? '' : `${object}:`;
  const which = position === 0 ? '' : `,${position}`;
  return `${where}${name}${which}${coveredBy === null ? '' : ` (below ${coveredBy})`}`;
}
