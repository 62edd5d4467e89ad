/**
 * The guard's whole program. It is handed to a Node process as text, so it uses nothing from outside itself
 * and needs no file that a bundle would have to carry.
 *
 * It reads its standard input until the end. When that comes without the word `dismissed`, whoever held the
 * other end is dead: QEMU's monitor is free, or will be in a moment.
 */
export function cleanUpAfterDeath(paths: {
  readonly qmp: string;
  readonly channel: string;
  readonly mark: string;
}): void {
  const { createConnection } = process.getBuiltinModule('node:net');
  const { readFileSync, rmSync } = process.getBuiltinModule('node:fs');
  let heard = '';
  process.stdin.setEncoding('latin1');
  process.stdin.on('data', (chunk) => {
    heard += String(chunk);
  });
  process.stdin.on('end', () => {
    if (heard !== 'dismissed\n') cleanUp();
  });
  process.stdout.write('watching\n');

  function cleanUp(): void {
    // Nobody is left to be told about a failure; after a minute the next connection has to reconcile.
    setTimeout(() => process.exit(1), 60_000).unref();
    const monitor = createConnection(paths.qmp);
    monitor.setEncoding('utf8');
    monitor.on('error', () => process.exit(1));
    let pending = '';
    monitor.on('data', (chunk) => {
      pending += String(chunk);
      const lines = pending.split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') answered(JSON.parse(line));
    });
    const ask = (execute: string, more = {}) =>
      monitor.write(`${JSON.stringify({ execute, id: execute, arguments: more })}\n`);
    const answered = (message: { QMP?: unknown; id?: string; return?: unknown }): void => {
      if (message.QMP !== undefined) ask('qmp_capabilities');
      if (message.id === 'qmp_capabilities') ask('query-chardev');
      if (message.id === 'query-chardev') {
        const ours = (message.return as { label: string; filename: string }[]).some(
          ({ label, filename }) => label === 'gdb' && filename.includes(`unix:${paths.channel},`),
        );
        if (ours) ask('human-monitor-command', { 'command-line': 'gdbserver none' });
        else ask('query-status');
      }
      if (message.id === 'human-monitor-command') ask('query-status');
      if (message.id === 'query-status') {
        const { status } = message.return as { status: string };
        if (status === 'paused' && readFileSync(paths.mark, 'latin1') === '1') ask('cont');
        else end();
      }
      if (message.id === 'cont') end();
    };
    const end = (): void => {
      rmSync(paths.mark, { force: true });
      process.exit(0);
    };
  }
}
