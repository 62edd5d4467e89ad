export { troubles } from './facts.ts';
export { renderReportHtml } from './html/page.ts';
export { renderDoctorText } from './text/doctor.ts';
export { formatMegabytes, formatMs, formatPercent, formatSpan } from './text/number.ts';
export { planChanges, renderPlanText } from './text/plan.ts';
export { renderReportText } from './text/report.ts';
export { renderTable, type TableOptions } from './text/table.ts';
export type { TextOptions } from './text/terminal.ts';
