import type { HandoverKind } from '@exuvia/contract';
import { renderPlanText } from '@exuvia/report';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';

export async function plan({
  options,
  io,
}: Invocation<{ kernel: string; handover?: HandoverKind }>): Promise<ExitStatus> {
  const { kernel, handover } = options;
  const made = await withClient(options, (client) =>
    client.makePlan({ kernel, ...(handover === undefined ? {} : { handover }) }),
  );
  show(io, options, made, () => renderPlanText(made, io));
  return made.executable ? EXIT.ok : EXIT.refused;
}
