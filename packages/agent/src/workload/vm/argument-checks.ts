import type { Check } from '@exuvia/contract';
import { isOwnNetdev, RAM_ID } from '@exuvia/qemu';

/** An argument that a spec's `extraArgs` may hold and that an update does not get along with. */
interface Rule {
  readonly verdict: 'warn' | 'fail';
  readonly matches: (option: string, value: string) => boolean;
  readonly reason: string;
}

/** What cpr-reboot of QEMU 10.0 cannot carry, or what would change what the rest of the command line says. */
const RULES: readonly Rule[] = [
  {
    verdict: 'fail',
    matches: (option, value) => option === '-device' && /vfio-/.test(value),
    reason: 'the state of a VFIO device is lost when the kernel is replaced',
  },
  {
    verdict: 'fail',
    matches: (option) => ['-incoming', '-daemonize', '-snapshot', '-S', '-loadvm'].includes(option),
    reason: 'it changes how QEMU starts, which belongs to Exuvia',
  },
  {
    verdict: 'warn',
    matches: (option, value) =>
      option === '-netdev' &&
      !isOwnNetdev(value) &&
      /vhost=on|vhostforce|^vhost-|[,^](fd|vhostfd)=/.test(value),
    reason: 'the kernel side of the network device does not outlive the kernel',
  },
  {
    verdict: 'warn',
    matches: (option, value) =>
      option === '-object' && /^memory-backend/.test(value) && !value.includes(`id=${RAM_ID},`),
    reason: 'this memory is not in the store and is copied during the pause',
  },
];

/** Checks what a VM was started with; `commandLine` includes the spec's `extraArgs`. Pure. */
export function argumentChecks(name: string, commandLine: readonly string[], ramFile: string): Check[] {
  return [
    memoryCheck(name, commandLine, ramFile),
    machineCheck(name, commandLine),
    extraCheck(name, commandLine),
  ];
}

function memoryCheck(name: string, commandLine: readonly string[], ramFile: string): Check {
  const common = { id: 'vm-memory-in-store', subject: name };
  const backend = valuesOf(commandLine, '-object').find((value) => value.includes(`id=${RAM_ID},`));
  const machine = valuesOf(commandLine, '-machine', '-M').join(',');
  const words = backend?.split(',') ?? [];
  const usesIt =
    machine.split(',').findLast((word) => word.startsWith('memory-backend=')) === `memory-backend=${RAM_ID}`;
  const elsewhere = commandLine.includes('-mem-path');
  if (words.includes(`mem-path=${ramFile}`) && words.includes('share=on') && usesIt && !elsewhere) {
    return { ...common, verdict: 'ok', reason: 'Its memory is in the store.' };
  }
  return {
    ...common,
    verdict: 'fail',
    reason: `Its memory is not in ${ramFile}: it would be lost with the old kernel.`,
    remedy:
      'Remove -machine, -mem-path and memory backends from the extraArgs of its spec; stop and start it.',
  };
}

function machineCheck(name: string, commandLine: readonly string[]): Check {
  const common = { id: 'vm-machine', subject: name };
  const machines = valuesOf(commandLine, '-machine', '-M');
  const type = machines.map((value) => value.split(',')[0] ?? '').findLast((word) => !word.includes('='));
  const words = machines.join(',').split(',');
  if (type === undefined || !/-[0-9]+\.[0-9]+$/.test(type)) {
    return {
      ...common,
      verdict: 'fail',
      reason: `Its machine type ${type ?? ''} has no version: another QEMU builds another machine from it.`,
      remedy: 'Remove -machine from the extraArgs of its spec; stop and start it.',
    };
  }
  if (words.findLast((word) => word.startsWith('aux-ram-share=')) !== 'aux-ram-share=on') {
    return {
      ...common,
      verdict: 'warn',
      reason: 'It was started without aux-ram-share=on: its QEMU alone cannot be replaced.',
      remedy: 'Stop and start the VM.',
    };
  }
  return { ...common, verdict: 'ok', reason: `Its machine type is ${type}.` };
}

function extraCheck(name: string, commandLine: readonly string[]): Check {
  const common = { id: 'vm-extra-arguments', subject: name };
  const found = commandLine.flatMap((word, index) => {
    const value = commandLine[index + 1] ?? '';
    const option = word.replace(/^--/, '-');
    return RULES.filter((rule) => rule.matches(option, value)).map((rule) => ({ rule, option, value }));
  });
  if (found.length === 0) return { ...common, verdict: 'ok', reason: 'None of its arguments is in the way.' };
  return {
    ...common,
    verdict: found.some(({ rule }) => rule.verdict === 'fail') ? 'fail' : 'warn',
    reason: `${found.map(({ rule, option, value }) => `${`${option} ${value}`.trim()}: ${rule.reason}`).join('; ')}.`,
    remedy: 'Remove it from the extraArgs of its spec, or stop the VM for the update.',
  };
}

function valuesOf(commandLine: readonly string[], ...options: string[]): string[] {
  return commandLine.flatMap((word, index) => {
    const value = commandLine[index + 1];
    return options.includes(word.replace(/^--/, '-')) && value !== undefined ? [value] : [];
  });
}
