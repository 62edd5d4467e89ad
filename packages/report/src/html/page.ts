import type { Report } from '@exuvia/contract';
import { isTrouble, qemuVersion, slowestBlackoutMs, totalIs, wasPaused } from '../facts.ts';
import { cleanStrings } from '../text/clean.ts';
import { formatMegabytes, formatSpan } from '../text/number.ts';
import { gapSection } from './gaps.ts';
import { html, Markup, NOTHING } from './markup.ts';
import { phaseSection, phaseTable } from './phases.ts';
import { STYLE } from './style.ts';
import { vmSection } from './vms.ts';

/**
 * The report of an update as one HTML page that needs nothing else: no script, no font, no request. Its
 * content security policy forbids them too.
 */
export function renderReportHtml(untrusted: Report): string {
  const report = cleanStrings(untrusted);
  const { hostname, kernelAfter, kernelBefore } = report.host;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Update of ${hostname}: ${kernelBefore} to ${kernelAfter}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<header>
<h1>Update of ${hostname} ${badge(report)}</h1>
<p>${change(report)}</p>
<p class="soft">${report.update}, started ${report.startedAt}${report.finishedAt === null ? '' : `, finished ${report.finishedAt}`}</p>
${report.reason === null ? NOTHING : html`<p class="${report.outcome === 'completed' ? 'soft' : 'bad'}">${report.reason}</p>`}
</header>
${figures(report)}
${phaseSection(report)}
${vmSection(report)}
${gapSection(report)}
${phaseTable(report)}
${measuredOn(report)}
</main>
</body>
</html>
`.text;
}

function badge(report: Report): Markup {
  const kind = { completed: 'good', running: 'warn', aborted: 'warn', failed: 'bad' }[report.outcome];
  return html`<span class="badge ${kind}">${report.outcome}</span>`;
}

function change({ handover, host }: Report): Markup {
  if (host.kernelBefore === host.kernelAfter)
    return html`By ${handover}; kernel ${host.kernelBefore}, unchanged`;
  return html`By ${handover}: kernel <strong>${host.kernelBefore}</strong> → <strong>${host.kernelAfter}</strong>`;
}

/** The three numbers that a reader looks for first. */
function figures(report: Report): Markup {
  const blackout = slowestBlackoutMs(report);
  const running = report.vms.filter(({ outcome }) => !isTrouble(outcome)).length;
  return html`<dl class="figures">
<div><dt>Blackout of the slowest VM</dt><dd>${blackout === null ? 'not measured' : formatSpan(blackout)}</dd></div>
<div><dt>${capitalized(totalIs(report))}</dt><dd>${report.totalMs === null ? withoutTotal(report) : formatSpan(report.totalMs)}</dd></div>
<div><dt>VMs running afterwards</dt><dd>${running} of ${report.vms.length}</dd></div>
</dl>`;
}

function withoutTotal(report: Report): string {
  return wasPaused(report) ? 'not measured' : 'no pause';
}

function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function measuredOn({ host, initramfsBytes }: Report): Markup {
  const rows: [string, string][] = [
    ['host', host.hostname],
    ['processor', `${host.cpuModel}, ${host.cpus} CPU${host.cpus === 1 ? '' : 's'}`],
    ['runs on', host.hypervisor ?? 'bare metal'],
    ['kernel before', host.kernelBefore],
    ['kernel after', host.kernelAfter],
    ['QEMU', host.qemu],
    ...Object.entries(host.packages),
    ...host.qemus.map((qemu): [string, string] => [qemu.binary, qemuVersion(qemu)]),
    ...host.sources.map((source): [string, string] => ['packages from', source]),
    ...(initramfsBytes === null
      ? []
      : [['early-restore initramfs', formatMegabytes(initramfsBytes)] as [string, string]]),
  ];
  return html`<section><h2>Measured on</h2><div class="scroll"><table><tbody>${rows.map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td class="wrap">${value}</td></tr>`,
  )}</tbody></table></div></section>`;
}
