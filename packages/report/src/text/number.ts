/** Milliseconds with three digits that mean something: `0.42`, `29.7`, `354`, `12345`. Without a unit. */
export function formatMs(ms: number): string {
  if (ms >= 99.95) return ms.toFixed(0);
  return ms >= 9.995 ? ms.toFixed(1) : ms.toFixed(2);
}

/** A time span for a sentence: `0.42 ms`, `354 ms`, `2.58 s`, `3 min 20 s`. */
export function formatSpan(ms: number): string {
  if (ms < 999.5) return `${formatMs(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `14.9 MB`: decimal, as the size of what a boot loader or a network moves is given. */
export function formatMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** One decimal: `54.7`; `<0.1` for what is there but rounds to nothing. */
export function formatPercent(part: number, whole: number): string {
  if (whole <= 0) return '-';
  const percent = (part / whole) * 100;
  return percent > 0 && percent < 0.05 ? '<0.1' : percent.toFixed(1);
}
