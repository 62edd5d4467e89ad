import type { Doctor } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { renderDoctorText } from './doctor.ts';

const DOCTOR: Doctor = {
  checks: [
    { id: 'kexec-allowed', subject: 'host', verdict: 'ok', reason: 'kexec is allowed.' },
    {
      id: 'store',
      subject: 'host',
      verdict: 'fail',
      reason: 'There is no store.',
      remedy: 'Run exuvia setup --memory SIZE, then reboot.',
    },
  ],
  handovers: [
    { handover: 'kexec', possible: false, reasons: ['There is no store.'] },
    { handover: 'reboot', possible: true, reasons: [] },
  ],
};

test('the doctor says first which updates are possible, then why', () => {
  expect(renderDoctorText(DOCTOR)).toBe(`Updates
  kexec   not possible
          - There is no store.
  reboot  possible

Checks
  ok    host  kexec-allowed  kexec is allowed.
  fail  host  store          There is no store.
                             -> Run exuvia setup --memory SIZE, then reboot.

1 ok, 0 warn, 1 fail
`);
});

test('a line that does not fit goes on below its own column', () => {
  expect(renderDoctorText({ ...DOCTOR, handovers: [] }, { width: 60 })).toBe(`Updates
  none

Checks
  ok    host  kexec-allowed  kexec is allowed.
  fail  host  store          There is no store.
                             -> Run exuvia setup --memory
                                SIZE, then reboot.

1 ok, 0 warn, 1 fail
`);
});
