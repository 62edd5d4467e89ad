import type { Client } from '@exuvia/client';
import {
  EARLY_RESTORE,
  ExuviaError,
  type Fault,
  failureOfStep,
  faultSchema,
  mayBeLeftOut,
  type Plan,
  REHEARSAL,
  staysInBoot,
  type Update,
} from '@exuvia/contract';
import { formatSpan, planChanges, renderPlanText, renderReportText, troubles } from '@exuvia/report';
import { isRemote, withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { askAgain, lastState } from '../following.ts';
import { runningUpdate } from '../newest.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';
import { requestOf, type Wishes } from '../wishes.ts';

interface UpdateOptions extends Wishes {
  readonly plan?: string;
  readonly wait: boolean;
  readonly fault?: string;
}

export async function update(invocation: Invocation<UpdateOptions>): Promise<ExitStatus> {
  const { options, io } = invocation;
  return await withClient(options, async (client) => {
    const plan = await planOf(client, options, io.signal);
    if (!plan.executable) {
      show(io, options, plan, () => renderPlanText(plan, io));
      return EXIT.refused;
    }
    io.signal.throwIfAborted();
    const begun = await client.startUpdate({ plan: plan.id, ...faultOf(options.fault) });
    if (!options.wait) {
      show(io, options, begun, () => `Update ${begun.id} has begun: exuvia status\n`);
      return EXIT.ok;
    }
    const ended = await toItsEnd(client, plan, invocation);
    const report = await askAgain(() => client.report(ended.id));
    show(io, options, report, () => renderReportText(report, io));
    if (ended.state !== 'completed') return EXIT.failed;
    const wrong = troubles(report);
    if (wrong.length === 0) return EXIT.ok;
    io.err(`The update is completed, but not every VM is well: ${wrong.join('; ')}.\n`);
    return EXIT.failed;
  });
}

/**
 * Follows an update to its end. One that was undone because only its rehearsal found out that a VM cannot be taken along
 * is begun anew without that VM, where its spec says so (`onFailure`).
 */
async function toItsEnd(client: Client, plan: Plan, invocation: Invocation<UpdateOptions>): Promise<Update> {
  const { options, io } = invocation;
  io.err(announcement(plan, isRemote(options)));
  const goesOn = `Update ${plan.id} goes on: exuvia status shows it, exuvia abort ends it.`;
  const ended = await lastState(client, plan.id, invocation, goesOn);
  const refused = ended.state === 'aborted' && ended.reason?.startsWith(failureOfStep(REHEARSAL)) === true;
  const next = refused ? await planWithout(client, plan, invocation) : null;
  if (next === null) return ended;
  const without = next.leftOut.map(({ name }) => name).join(', ');
  io.err(`Begun anew without ${without}, as onFailure says. ${ended.reason ?? ''}\n`);
  await client.startUpdate({ plan: next.id });
  return await toItsEnd(client, next, invocation);
}

/** A plan that leaves out more than the one before; `null` when there is none. */
async function planWithout(
  client: Client,
  { vms, leftOut, handover }: Plan,
  { options, io }: Invocation<UpdateOptions>,
): Promise<Plan | null> {
  const request = requestOf(options);
  if (request === null || !vms.some(({ onFailure }) => mayBeLeftOut(handover, onFailure))) return null;
  const next = await askAgain(() => client.makePlan(request, { signal: io.signal }));
  return next.executable && next.handover === handover && next.leftOut.length > leftOut.length ? next : null;
}

export async function abort(invocation: Invocation<{ wait: boolean }>): Promise<ExitStatus> {
  const { args, options, io } = invocation;
  return await withClient(options, async (client) => {
    const id = args[0] ?? (await runningUpdate(client));
    const asked = await client.abort(id);
    if (!options.wait) {
      show(io, options, asked, () => `Update ${id} is being aborted.\n`);
      return EXIT.ok;
    }
    const ended = await lastState(
      client,
      id,
      invocation,
      `The abort of update ${id} goes on: exuvia status shows it.`,
    );
    show(io, options, ended, () => `Update ${id} is ${ended.state}: ${ended.reason ?? 'no reason given'}\n`);
    return ended.state === 'aborted' ? EXIT.ok : EXIT.failed;
  });
}

export async function goOn({ args, options, io }: Invocation): Promise<ExitStatus> {
  const view = await withClient(options, async (client) =>
    client.continue(args[0] ?? (await runningUpdate(client))),
  );
  show(io, options, view, () => `Update ${view.id} goes on.\n`);
  return EXIT.ok;
}

async function planOf(client: Client, options: UpdateOptions, signal: AbortSignal): Promise<Plan> {
  const request = requestOf(options);
  if (options.plan !== undefined && request === null) return await client.plan(options.plan);
  if (options.plan === undefined && request !== null) return await client.makePlan(request, { signal });
  throw new ExuviaError('usage', 'Give either --plan ID, or --all, --kernel, --qemu or --module.', {
    hint: 'See `exuvia update --help`.',
  });
}

function faultOf(text: string | undefined): { fault?: Fault } {
  if (text === undefined) return {};
  const [step, action, when, vm] = text.split(':');
  const moment = step === EARLY_RESTORE ? { at: when } : { when };
  const result = faultSchema.safeParse({
    step,
    action,
    ...(when === undefined ? {} : moment),
    ...(vm === undefined ? {} : { vm }),
  });
  if (result.success) return { fault: result.data };
  throw new ExuviaError(
    'usage',
    `--fault ${text} is not STEP:hold|fail|kill[:before|after], nor early-restore:fail|kill|panic|hang[:start|restore|resumed[:VM]].`,
  );
}

function announcement(plan: Plan, remote: boolean): string {
  const count = plan.vms.length === 1 ? '1 VM' : `${plan.vms.length} VMs`;
  const expected =
    plan.expectedBlackoutMs === null
      ? ''
      : ` They will probably stand still for ${formatSpan(plan.expectedBlackoutMs)}.`;
  const connection = remote
    ? 'This connection breaks with the jump and is made anew on the other side.'
    : 'This command ends with the jump, as everything on this host but its VMs; afterwards: exuvia report';
  return `Update ${plan.id}: ${planChanges(plan).join(', ')} by ${plan.handover}, ${count}.${expected}\n${staysInBoot(plan.handover) ? '' : `${connection}\n`}`;
}
