import { expect, test } from 'vitest';
import { exampleReport } from '../fixture.ts';
import { renderReportText } from './report.ts';

test('a report shows the ten phases, their sum, what the VMs felt and what it was measured on', () => {
  expect(renderReportText(exampleReport())).toBe(`Update 20261121-104312-kexec  completed
  lab-host, by kexec: kernel 6.12.107+deb13-cloud-amd64 -> 7.2.12+deb13-cloud-amd64
  2026-11-21T10:43:12.000Z to 2026-11-21T10:44:02.000Z

phase                ms      %
VM suspend         2.10    0.1
VM save             282   11.0  ########
QEMU shutdown      42.0    1.6  #
userland shutdown   105    4.1  ###
kernel shutdown     541   21.0  ################
kernel startup     1332   51.7  ########################################
userland startup    117    4.5  ####
QEMU startup        137    5.3  ####
VM restore         2.10    0.1
VM resume          15.7    0.6
sum                2575  100.0  of the phases
total              2576         first stop to last resume

The phases differ from the total by 0.0 %; up to 2 % are tolerated.

Phases of single VMs, in ms
VM    VM save  VM restore
busy      281        2.00
disk      120           -

VM    state    blackout ms  paused ms  boot id  heartbeat  integrity
busy  running         2602       2570  same     continued  ok
disk  running         2433       2410  same     continued  ok
tiny  running         2313       2290  same     continued  -

blackout: the largest gap between two heartbeats, seen by lab outside the host (clock:
CLOCK_MONOTONIC of the machine that runs the lab host). paused: by the stamps of the host itself, a
lower bound.

The guests' wall clocks are behind by the time that they were paused (2.29 s to 2.57 s) until a time
service in them corrects that.

Measured on: AMD Ryzen 9 3950X, 3 CPUs, under QEMU TCG; QEMU 10.0.13; qemu-system-x86
             1:10.0.13+ds-0+deb13u1; systemd 257.9-1~deb13u1; /opt/qemu-11.1/qemu-system-x86_64
             11.1.3; packages from http://deb.example/debian/ trixie, http://deb.example/debian/
             trixie-backports; initramfs 14.9 MB; paused for 2.58 s in all
`);
});

test('clocks that were set are told from those that are behind', () => {
  const { vms } = exampleReport();
  const set = vms.map((vm) => ({ ...vm, clock: { offsetMs: -1.2, uncertaintyMs: 0.9 } }));
  const text = (report: ReturnType<typeof exampleReport>) =>
    renderReportText(report, { width: 200 }).replaceAll('\n', ' ');
  expect(text(exampleReport({ vms: set }))).toContain(
    "Guest agents have set the wall clocks of busy, disk, tiny, to within 2.10 ms of the host's.  Measured",
  );
  expect(text(exampleReport({ vms: [...set.slice(0, 2), ...vms.slice(2)] }))).toContain(
    "Guest agents have set the wall clocks of busy, disk, to within 2.10 ms of the host's. Those of tiny are behind by the time that they were paused (2.29 s) until a time service in them corrects that.",
  );
  expect(text(exampleReport({ handover: 'vmm' }))).toContain(
    'are behind by at most the time that they were paused',
  );
});

test.each([
  [2, 'The phases differ from the total by 2.0 %; up to 2 % are tolerated.'],
  [
    2.1,
    'The phases differ from the total by 2.1 %, more than the 2 % that are tolerated: do not rely on single phases.',
  ],
])('a deviation of %d %% is judged by the tolerance', (deviationPct, sentence) => {
  const text = renderReportText(exampleReport({ deviationPct }), { width: 200 });
  expect(text.split('\n').filter((line) => line.startsWith('The phases differ'))).toEqual([sentence]);
});

test('a flagged deviation is red', () => {
  const text = renderReportText(exampleReport({ deviationPct: 4.62 }), { color: true, width: 200 });
  expect(text).toContain(
    '\u001b[31mThe phases differ from the total by 4.6 %, more than the 2 % that are tolerated: do not rely on single phases.\u001b[39m',
  );
});

test('an aborted update that paused no VM says so instead of showing empty tables', () => {
  const report = exampleReport({
    outcome: 'aborted',
    reason: 'The target kernel has no initramfs.',
    finishedAt: null,
    phases: [],
    vms: [],
    totalMs: null,
    phaseSumMs: null,
    deviationPct: null,
    initramfsBytes: null,
    observation: null,
  });
  expect(
    renderReportText({ ...report, host: { ...report.host, kernelAfter: report.host.kernelBefore } }),
  ).toBe(`Update 20261121-104312-kexec  aborted
  The target kernel has no initramfs.
  lab-host, by kexec: kernel 6.12.107+deb13-cloud-amd64, unchanged
  2026-11-21T10:43:12.000Z

No VM was paused.

This update touched no VM.

Measured on: AMD Ryzen 9 3950X, 3 CPUs, under QEMU TCG; QEMU 10.0.13; qemu-system-x86
             1:10.0.13+ds-0+deb13u1; systemd 257.9-1~deb13u1; /opt/qemu-11.1/qemu-system-x86_64
             11.1.3; packages from http://deb.example/debian/ trixie, http://deb.example/debian/
             trixie-backports
`);
});

test('an update that went back inside the pause does not say that there was none', () => {
  const report = exampleReport();
  const text = renderReportText({
    ...report,
    ...{ outcome: 'aborted', phases: [], totalMs: null, phaseSumMs: null, deviationPct: null },
    vms: report.vms.map((vm) => ({ ...vm, phases: [], pausedMs: null })),
  });
  expect(text).toContain('VMs were paused; their phases were not measured.');
  expect(text).not.toContain('No VM was paused.');
});

test('one witness that saw a failure decides, whatever the other saw', () => {
  const report = exampleReport();
  const vms = report.vms.map((vm) => (vm.name === 'busy' ? { ...vm, bootIdSame: false } : vm));
  expect(renderReportText({ ...report, vms })).toContain(
    '\nbusy  running         2602       2570  changed  continued  ok\n',
  );
});

test('control characters from a host cannot steer the terminal', () => {
  const report = exampleReport();
  const host = { ...report.host, hostname: 'evil\u001b]0;owned\u0007\u202ehost' };
  const text = renderReportText({ ...report, host });
  expect(text.split('\n')[1]).toBe(
    '  evil ]0;owned host, by kexec: kernel 6.12.107+deb13-cloud-amd64 -> 7.2.12+deb13-cloud-amd64',
  );
});

test('pauses that a reset has left unmeasured are bounds, and said to be', () => {
  const text = renderReportText(exampleReport({ phases: [], totalMs: null, observation: null }), {
    width: 400,
  });
  expect(text).toContain(
    "paused: from the step that stopped the VMs until they were seen to run again, by the host's real-time clock, an upper bound.",
  );
  expect(text).toContain(
    'wall clocks are behind by at most the time that they were paused (2.29 s to 2.57 s)',
  );
});
