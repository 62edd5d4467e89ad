import { writeFile } from 'node:fs/promises';
import { renderReportHtml, renderReportText } from '@exuvia/report';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { newestUpdate } from '../newest.ts';
import { show } from '../print.ts';
import type { Invocation } from '../program.ts';

export async function report({ args, options, io }: Invocation<{ html?: string }>): Promise<ExitStatus> {
  const document = await withClient(options, async (client) =>
    client.report(args[0] ?? (await newestUpdate(client)).id),
  );
  if (options.html !== undefined) {
    await writeFile(options.html, renderReportHtml(document));
    io.err(`The report is in ${options.html}.\n`);
  }
  if (options.html === undefined || options.json === true) {
    show(io, options, document, () => renderReportText(document, io));
  }
  return EXIT.ok;
}
