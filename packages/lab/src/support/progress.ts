/** Where a long piece of work says what it does. Always stderr, so that stdout stays free for JSON. */
export interface Progress {
  say(message: string): void;
  /** Announces `title`, runs `work`, and says how long it took. */
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
}

/** Progress lines with the seconds since the program's start in front. */
export function stderrProgress(
  write: (line: string) => void = (line) => process.stderr.write(line),
): Progress {
  const startedAt = performance.now();
  const seconds = (since: number) => ((performance.now() - since) / 1000).toFixed(1);
  const say = (message: string) => write(`[${seconds(startedAt).padStart(6)} s] ${message}\n`);
  return {
    say,
    async step(title, work) {
      const began = performance.now();
      say(`${title} ...`);
      const result = await work();
      say(`${title}: done in ${seconds(began)} s`);
      return result;
    },
  };
}
