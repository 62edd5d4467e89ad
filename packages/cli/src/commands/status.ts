import type { Host, Update } from '@exuvia/contract';
import { formatSize } from '@exuvia/contract';
import { withClient } from '../connect.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { show, table } from '../print.ts';
import type { Invocation } from '../program.ts';
import { stepLine } from '../progress.ts';

export async function status({ options, io }: Invocation): Promise<ExitStatus> {
  const { host, update } = await withClient(options, async (client) => {
    const host = await client.host();
    return { host, update: host.update === null ? null : await client.update(host.update) };
  });
  show(
    io,
    options,
    { host, update },
    () => describeHost(host) + (update === null ? '' : describeUpdate(update)),
  );
  return EXIT.ok;
}

export async function history({ options, io }: Invocation): Promise<ExitStatus> {
  const updates = await withClient(options, (client) => client.updates());
  show(io, options, updates, () => {
    if (updates.length === 0) return 'No updates yet.\n';
    const rows = updates.map((update) => [
      update.id,
      update.state,
      update.handover,
      `${update.from} -> ${update.to}`,
      update.reason ?? '',
    ]);
    return table(['update', 'state', 'handover', 'kernel', 'reason'], rows, io);
  });
  return EXIT.ok;
}

function describeHost(host: Host): string {
  const { store } = host;
  const lines = [
    ['host', `${host.hostname}, Exuvia ${host.version}`],
    ['kernel', host.kernel],
    ['QEMU', host.qemu ?? 'not installed'],
    ['machine', `${host.cpus} CPUs (${host.cpuModel}), ${(host.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    [
      'store',
      store === null
        ? 'none: exuvia setup --memory SIZE'
        : `${store.kind} on ${store.device}, ${formatSize(store.sizeBytes)}, ${(store.freeBytes / 2 ** 20).toFixed(0)} MiB free`,
    ],
    ['kernels', host.kernels.join(', ')],
    ['update', host.update ?? 'none'],
  ];
  return lines.map(([key, value]) => `${key?.padEnd(9)}${value}\n`).join('');
}

function describeUpdate(update: Update): string {
  const steps = update.steps.map((step) => `${stepLine(step)}\n`).join('');
  return `\nUpdate ${update.id} (${update.handover}, ${update.from} -> ${update.to}) is ${update.state}.\n${steps}`;
}
