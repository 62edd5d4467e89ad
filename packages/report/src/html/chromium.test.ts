import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PHASES } from '@exuvia/contract';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exampleReport } from '../fixture.ts';
import { renderReportHtml } from './page.ts';

const CHROMIUM = '/usr/bin/chromium';
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const missing = existsSync(CHROMIUM) ? '' : ` (skipped: ${CHROMIUM} is missing, apt-get install chromium)`;

describe.skipIf(missing !== '')(`a report that Chromium opens from a file${missing}`, () => {
  const report = exampleReport();
  const requests: string[] = [];
  const complaints: string[] = [];
  let directory: string;
  let url: string;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'exuvia-report-'));
    const file = path.join(directory, 'report.html');
    await writeFile(file, renderReportHtml(report));
    url = pathToFileURL(file).href;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(url, { waitUntil: 'networkidle' });
  });

  afterAll(async () => {
    await browser?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('requests nothing but the file itself, and Chromium has nothing to complain about', () => {
    expect(requests).toEqual([url]);
    expect(complaints).toEqual([]);
  });

  test('has a segment for each of the ten phases, in order, as wide as the phase was long', async () => {
    const segments = await segmentsOf(page, '[data-bar="all"]');
    expect(segments.map((segment) => segment.phase)).toEqual([...PHASES]);
    const barWidth = segments.reduce((sum, segment) => sum + segment.width, 0);
    const sum = report.phases.reduce((ms, phase) => ms + phase.ms, 0);
    for (const [index, segment] of segments.entries()) {
      const share = (report.phases[index]?.ms ?? Number.NaN) / sum;
      expect(segment.width / barWidth, PHASES[index]).toBeCloseTo(share, 4);
    }
  });

  test('magnifies what is not the kernel to the same width', async () => {
    const all = await segmentsOf(page, '[data-bar="all"]');
    const own = await segmentsOf(page, '[data-bar="own"]');
    expect(own.map((segment) => segment.phase)).toEqual(
      PHASES.filter((name) => name !== 'kernel shutdown' && name !== 'kernel startup'),
    );
    const width = (segments: typeof all) => segments.reduce((sum, segment) => sum + segment.width, 0);
    expect(width(own)).toBeCloseTo(width(all), 0);
  });

  test("draws the VMs' blackouts on one scale", async () => {
    const widths = await page
      .locator('[data-vm] [data-blackout]')
      .evaluateAll((marks) => marks.map((mark) => mark.getBoundingClientRect().width));
    const blackouts = report.observation?.vms.map((vm) => vm.blackoutMs) ?? [];
    expect(widths).toHaveLength(3);
    for (const [index, width] of widths.entries()) {
      const share = (blackouts[index] ?? Number.NaN) / (blackouts[0] ?? Number.NaN);
      expect(width / (widths[0] ?? Number.NaN)).toBeCloseTo(share, 3);
    }
  });

  test('fits a phone without scrolling sideways', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect(overflow).toBe(0);
  });
});

interface Segment {
  readonly phase: string | null;
  /** In CSS pixels as laid out. */
  readonly width: number;
}

function segmentsOf(page: Page, bar: string): Promise<Segment[]> {
  return page.locator(`${bar} rect[data-phase]`).evaluateAll((rects) =>
    rects.map((rect) => ({
      phase: rect.getAttribute('data-phase'),
      width: rect.getBoundingClientRect().width,
    })),
  );
}
