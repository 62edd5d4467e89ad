import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSize, toErrorBody } from '@exuvia/contract';
import { renderReportHtml, renderReportText } from '@exuvia/report';
import { GUEST_NAMES } from '../guests/specs.ts';
import { startGuests } from '../guests/start.ts';
import { agentClient } from '../host/agent.ts';
import { labDown } from '../host/down.ts';
import { endLabWhenInterrupted } from '../host/interrupted.ts';
import type { LabState } from '../host/state.ts';
import { labUp } from '../host/up.ts';
import { observeLab } from '../observer/lab.ts';
import { stderrProgress } from '../support/progress.ts';
import { observedUpdate } from '../update/observed-update.ts';
import { DEMO_STORE, type DemoOptions, demoOptions } from './options.ts';
import { demoResult } from './result.ts';

/**
 * The demonstration: a lab host with three VMs gets another kernel while they live on. `npm run demo -- --help`
 * says with which options.
 *
 * Exits with 1 when something was lost or failed, 2 when the options are wrong.
 */
const progress = stderrProgress();
const GUEST_BOOT_LIMIT_MS = 180_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await demo(demoOptions(args));
  } catch (thrown) {
    const { error } = toErrorBody(thrown);
    progress.say(`${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ ok: false, error })}\n`);
    return error.code === 'usage' ? 2 : 1;
  }
}

async function demo(options: DemoOptions): Promise<number> {
  let state: LabState | null = null;
  endLabWhenInterrupted(progress);
  try {
    state = await labUp(
      { cpus: 3, memoryBytes: parseSize('5G') ?? 0, store: DEMO_STORE, kernel: '6.12', refresh: false },
      progress,
    );
    return await demonstrate(state, options);
  } finally {
    if (state !== null && !options.keep) await labDown();
    else if (state !== null) progress.say('lab: it keeps running; end it with: npm run exuvia -- lab down');
  }
}

async function demonstrate(lab: LabState, options: DemoOptions): Promise<number> {
  const client = await agentClient(lab);
  const host = await client.host();
  progress.say(`lab: ${host.hostname} runs kernel ${host.kernel} and QEMU ${host.qemu}`);
  await progress.step(`lab: starting the VMs ${GUEST_NAMES.join(', ')}`, () =>
    startGuests(client, GUEST_NAMES, { busyMemory: options.busyMemory }),
  );
  await client.close();
  const observer = observeLab(lab, host, GUEST_NAMES);
  try {
    await progress.step('lab: waiting for their heartbeats', () =>
      observer.waitForBeats(GUEST_BOOT_LIMIT_MS, 500),
    );
    const seen = await observedUpdate(lab, observer, { kernel: options.kernel ?? lab.kernels.new }, progress);
    const folder = join(import.meta.dirname, '../../../../build/reports');
    const file = join(folder, `${seen.update.id}.html`);
    await mkdir(folder, { recursive: true });
    await writeFile(file, renderReportHtml(seen.report));
    const result = demoResult(seen, lab.accelerator, file);
    const text = `${renderReportText(seen.report, { color: process.stderr.isTTY })}\n`;
    if (options.json) process.stderr.write(text);
    else process.stdout.write(text);
    progress.say(result.ok ? 'Every VM lived on.' : 'Something was lost: see the report.');
    progress.say(`report: ${file}`);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return result.ok ? 0 : 1;
  } finally {
    await observer.stop();
  }
}
