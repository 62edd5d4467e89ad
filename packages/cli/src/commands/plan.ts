import { ExuviaError } from '@exuvia/contract';
import { renderPlanText } from '@exuvia/report';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';
import { requestOf, type Wishes } from '../wishes.ts';

export async function plan({ options, io }: Invocation<Wishes>): Promise<ExitStatus> {
  const request = requestOf(options);
  if (request === null) {
    throw new ExuviaError('usage', 'Say what is to be updated: --all, --kernel, --qemu or --module.', {
      hint: 'See `exuvia plan --help`.',
    });
  }
  const made = await withClient(options, (client) => client.makePlan(request));
  show(io, options, made, () => renderPlanText(made, io));
  return made.executable ? EXIT.ok : EXIT.refused;
}
