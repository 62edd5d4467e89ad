import { PHASES, type PhaseName, type Report } from '@exuvia/contract';

/** Medians of the 2021 talk for the AMD 3950x, in ms. */
const TALK: Readonly<Record<PhaseName, number>> = {
  'VM suspend': 2.1,
  'VM save': 282,
  'QEMU shutdown': 42,
  'userland shutdown': 105.1,
  'kernel shutdown': 540.5,
  'kernel startup': 1332.4,
  'userland startup': 116.6,
  'QEMU startup': 136.8,
  'VM restore': 2.1,
  'VM resume': 15.7,
};

/** A report as an update of three VMs leaves it; for tests. */
export function exampleReport(changes: Partial<Report> = {}): Report {
  return {
    version: 1,
    update: '20261121-104312-kexec',
    outcome: 'completed',
    reason: null,
    handover: 'kexec',
    startedAt: '2026-11-21T10:43:12.000Z',
    finishedAt: '2026-11-21T10:44:02.000Z',
    host: {
      hostname: 'lab-host',
      kernelBefore: '6.12.107+deb13-cloud-amd64',
      kernelAfter: '7.2.12+deb13-cloud-amd64',
      qemu: '10.0.13',
      cpuModel: 'AMD Ryzen 9 3950X',
      cpus: 3,
      hypervisor: 'QEMU TCG',
      packages: { 'qemu-system-x86': '1:10.0.13+ds-0+deb13u1', systemd: '257.9-1~deb13u1' },
      sources: ['http://deb.example/debian/ trixie', 'http://deb.example/debian/ trixie-backports'],
      qemus: [{ binary: '/opt/qemu-11.1/qemu-system-x86_64', version: '11.1.3', package: '' }],
    },
    phases: PHASES.map((name) => ({ name, ms: TALK[name] })),
    vms: [
      {
        name: 'busy',
        outcome: 'running',
        phases: [
          { name: 'VM save', ms: 281 },
          { name: 'VM restore', ms: 2 },
        ],
        pausedMs: 2570.1,
        bootIdSame: true,
        heartbeatContinued: true,
        clock: null,
      },
      {
        name: 'disk',
        outcome: 'running',
        phases: [{ name: 'VM save', ms: 120.4 }],
        pausedMs: 2410,
        bootIdSame: true,
        heartbeatContinued: true,
        clock: null,
      },
      {
        name: 'tiny',
        outcome: 'running',
        phases: [],
        pausedMs: 2290.3,
        bootIdSame: null,
        heartbeatContinued: null,
        clock: null,
      },
    ],
    totalMs: 2576.4,
    phaseSumMs: 2575.3,
    deviationPct: 0.0427,
    initramfsBytes: 14_912_345,
    observation: {
      observer: 'lab',
      clock: 'CLOCK_MONOTONIC of the machine that runs the lab host',
      vms: [
        observed('busy', 2601.5, 'ok'),
        observed('disk', 2433.2, 'ok'),
        observed('tiny', 2312.8, 'unknown'),
      ],
    },
    ...changes,
  };
}

function observed(name: string, blackoutMs: number, integrity: 'ok' | 'unknown') {
  const gaps: [number, number][] = [];
  for (let at = 0; at < 4000; at += 40) gaps.push([at, 1 + ((at * 7) % 13) / 10]);
  gaps.push([4000, blackoutMs]);
  for (let at = 4000 + blackoutMs; at < 12_000; at += 40) gaps.push([at, 1 + ((at * 11) % 17) / 10]);
  return { name, blackoutMs, bootIdSame: true, sequenceMonotonic: true, integrity, gaps };
}
