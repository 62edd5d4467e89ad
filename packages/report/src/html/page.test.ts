import { expect, test } from 'vitest';
import { exampleReport } from '../fixture.ts';
import { renderReportHtml } from './page.ts';

const HOSTILE = `"><script>alert('x')</script>&`;
const ESCAPED = '&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;';

test('hostile names from hosts and guests are text wherever the page shows them', () => {
  const report = exampleReport({ reason: HOSTILE });
  const page = renderReportHtml({
    ...report,
    host: { ...report.host, hostname: HOSTILE, cpuModel: HOSTILE, packages: { [HOSTILE]: HOSTILE } },
    vms: report.vms.map((vm) => ({ ...vm, name: `${HOSTILE}${vm.name}` })),
    observation:
      report.observation === null
        ? null
        : {
            observer: HOSTILE,
            clock: HOSTILE,
            vms: report.observation.vms.map((vm) => ({ ...vm, name: `${HOSTILE}${vm.name}` })),
          },
  });
  expect(page).not.toContain('<script');
  expect(page).not.toContain(HOSTILE);
  expect(page).toContain(`<title>Update of ${ESCAPED}: `);
  expect(page).toContain(`<g data-vm="${ESCAPED}busy">`);
  expect(page).toContain(`<g data-lane="${ESCAPED}busy">`);
  expect(page).toContain(`seen by ${ESCAPED} outside the host (clock: ${ESCAPED})`);
});

test('the page forbids every request and brings its own style', () => {
  const page = renderReportHtml(exampleReport());
  expect(page).toContain(
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
  );
  expect(page.match(/\b(?:src|href)=|url\(|@import/g)).toBeNull();
});

test('a phase sum that deviates by more than the tolerance is marked as bad', () => {
  const sentence =
    'The phases differ from the total by 4.6 %, more than the 2 % that are tolerated: do not rely on single phases.';
  expect(renderReportHtml(exampleReport({ deviationPct: 4.62 }))).toContain(`<p class="bad">${sentence}</p>`);
  expect(renderReportHtml(exampleReport({ deviationPct: 2 }))).toContain(
    '<p class="note">The phases differ from the total by 2.0 %; up to 2 % are tolerated.</p>',
  );
});

test('an update that paused no VM gives a page without bars', () => {
  const page = renderReportHtml(
    exampleReport({
      phases: [],
      vms: [],
      totalMs: null,
      phaseSumMs: null,
      deviationPct: null,
      observation: null,
    }),
  );
  expect(page).toContain('<p>No VM was paused.</p>');
  expect(page).toContain('<p>This update touched no VM.</p>');
  expect(page).not.toContain('<svg');
});

test.each([
  ['kexec', 'by the time stamp counter of the CPU; a VM', 'First stop to last resume'],
  [
    'reboot',
    'by the host&#39;s real-time clock, the only one that a reset leaves; a VM',
    'First stop to last resume',
  ],
  ['module', 'by the host&#39;s monotonic clock; a VM', 'First stop to last resume'],
  [
    'vmm',
    'the host&#39;s monotonic clock where a QEMU ended before the next began; a VM',
    'Pause of the slowest VM',
  ],
] as const)(
  'the page of an update by %s says by which clock, and what its total is',
  (handover, clock, total) => {
    const page = renderReportHtml(exampleReport({ handover }));
    expect(page).toContain(clock);
    expect(page).toContain(`<dt>${total}</dt>`);
  },
);
