import type { Check } from '@exuvia/contract';
import type { Terminal } from './terminal.ts';
import { hang } from './wrap.ts';

const COLORS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

/** Checks as lines: verdict, subject, name and reason; below it the remedy of what is not ok. */
export function checkLines(checks: readonly Check[], terminal: Terminal): string[] {
  if (checks.length === 0) return ['  none'];
  const subjectWidth = Math.max(...checks.map((check) => check.subject.length));
  const idWidth = Math.max(...checks.map((check) => check.id.length));
  return checks.flatMap((check) => {
    const head = `  ${check.verdict.padEnd(4)}  ${check.subject.padEnd(subjectWidth)}  ${check.id.padEnd(idWidth)}  `;
    const [first = head, ...more] = hang(head, check.reason, terminal.width);
    // Coloured afterwards, so that the width is counted in what is seen.
    const painted = `  ${terminal.paint(COLORS[check.verdict], check.verdict.padEnd(4))}${first.slice(6)}`;
    const remedy =
      check.remedy === undefined || check.verdict === 'ok'
        ? []
        : hang(`${' '.repeat(head.length)}-> `, check.remedy, terminal.width);
    return [painted, ...more, ...remedy];
  });
}
