import type { Doctor } from '@exuvia/contract';
import { checkLines } from './checks.ts';
import { cleanStrings } from './clean.ts';
import { type Terminal, type TextOptions, terminalOf } from './terminal.ts';
import { hang } from './wrap.ts';

/** The doctor's findings for a terminal, the conclusion first. Ends with a line break. */
export function renderDoctorText(untrusted: Doctor, options: TextOptions = {}): string {
  const doctor = cleanStrings(untrusted);
  const terminal = terminalOf(options);
  const blocks = [
    [terminal.paint('bold', 'Updates'), ...handoverLines(doctor, terminal)],
    [terminal.paint('bold', 'Checks'), ...checkLines(doctor.checks, terminal)],
    [counts(doctor)],
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function handoverLines(doctor: Doctor, terminal: Terminal): string[] {
  if (doctor.handovers.length === 0) return ['  none'];
  const nameWidth = Math.max(...doctor.handovers.map(({ handover }) => handover.length));
  return doctor.handovers.flatMap(({ handover, possible, reasons }) => {
    const verdict = possible ? terminal.paint('green', 'possible') : terminal.paint('red', 'not possible');
    const name = `  ${handover.padEnd(nameWidth)}  `;
    const indent = ' '.repeat(name.length);
    return [name + verdict, ...reasons.flatMap((reason) => hang(`${indent}- `, reason, terminal.width))];
  });
}

function counts(doctor: Doctor): string {
  const count = (verdict: string) => doctor.checks.filter((check) => check.verdict === verdict).length;
  return `${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail`;
}
