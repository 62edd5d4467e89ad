import { passes } from '@exuvia/contract';
import { renderDoctorText } from '@exuvia/report';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';

export async function doctor({ options, io }: Invocation): Promise<ExitStatus> {
  const findings = await withClient(options, (client) => client.doctor());
  show(io, options, findings, () => renderDoctorText(findings, io));
  return passes(findings.checks) ? EXIT.ok : EXIT.refused;
}
