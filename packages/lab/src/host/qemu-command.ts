import type { Accelerator } from './state.ts';

/** The serial number of a lab host's second disk. */
export const DATA_DISK = 'exuvia-data';

export interface LabMachine {
  readonly accelerator: Accelerator;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ramFile: string;
  readonly disk: string;
  /** A second disk, raw; absent: none. */
  readonly dataDisk?: string | undefined;
  readonly firmware: { readonly code: string; readonly variables: string };
  readonly sshPort: number;
  readonly agentPort: number;
  /** The agent's port inside the lab host. */
  readonly guestAgentPort: number;
  readonly console: string;
  readonly consoleLog: string;
  readonly qmp: string;
  /** Unix datagram sockets: where its second NIC receives, and where it sends to. */
  readonly lan: string;
  readonly lanOutside: string;
  readonly pidFile: string;
}

/**
 * QEMU's arguments for a lab host: a q35 machine with UEFI, its RAM in a shared file, and nothing that a
 * server would not have.
 */
export function labArguments(machine: LabMachine): string[] {
  return [
    ...['-name', 'exuvia-lab,process=exuvia-lab', '-nodefaults', '-no-user-config', '-display', 'none'],
    ...[
      '-M',
      `q35,memory-backend=ram,${NO_CONTROLLERS}`,
      '-smp',
      String(machine.cpus),
      '-m',
      `${machine.memoryBytes / 2 ** 20}M`,
    ],
    ...[
      '-object',
      `memory-backend-file,id=ram,size=${machine.memoryBytes},mem-path=${machine.ramFile},share=on`,
    ],
    ...accelerate(machine.accelerator),
    ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${machine.firmware.code}`],
    ...['-drive', `if=pflash,unit=1,format=raw,file=${machine.firmware.variables}`],
    // A lab host's disk is thrown away with it: nothing waits for the machine's own disk.
    ...[
      '-blockdev',
      JSON.stringify(diskNode(machine.disk)),
      '-device',
      'virtio-blk-pci,drive=disk,bootindex=0,serial=exuvia-root',
    ],
    ...(machine.dataDisk === undefined ? [] : dataDisk(machine.dataDisk)),
    ...['-netdev', network(machine), '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-device', 'virtio-rng-pci'],
    // As servers have one: resets a kernel that hangs.
    ...['-device', 'i6300esb', '-action', 'watchdog=reset'],
    ...['-chardev', `socket,id=con,path=${machine.console},server=on,wait=off,logfile=${machine.consoleLog}`],
    ...['-netdev', lan(machine), '-device', `virtio-net-pci,netdev=lan,mac=${LAN_MAC},romfile=`],
    ...['-serial', 'chardev:con', '-qmp', `unix:${machine.qmp},server=on,wait=off`],
    ...['-pidfile', machine.pidFile, '-daemonize'],
  ];
}

/**
 * Without the controllers that q35 has and nothing is attached to: a restored host would load their drivers while its
 * VMs run, and whatever changes the memory map of an emulated machine (a PCI device's command register is enough) can
 * make TCG deliver an interrupt to a nested guest twice, the second time with its interrupts disabled: it hangs for
 * ever. Seen on QEMU 10.0.13; as its source explains it (of its development after 10.2, too): helper_vmrun leaves the
 * injected vector in exception_index (target/i386/tcg/system/svm_helper.c), and cpu_handle_interrupt
 * (accel/tcg/cpu-exec.c) returns with it when another thread has asked the CPU to exit.
 */
const NO_CONTROLLERS = 'sata=off,smbus=off';

/**
 * Everything that TCG emulates (AMD SVM among it: the lab host's VMs run under KVM either way), but for fast string
 * instructions: TCG carries out `rep movsb` and `rep stosb` byte by byte (QEMU 10.0, target/i386/tcg), and Linux copies
 * and clears memory with them where a CPU has erms. Without smap and with four levels of page tables the lab host
 * writes to fresh memory about twice as fast.
 */
const TCG_CPU = 'max,erms=off,fsrm=off,la57=off,smap=off';

/**
 * Room for translated code, as much as QEMU 10.0 takes: a few updates fill it all the same (`info jit`), and throwing all away
 * when it is full interrupts every CPU, as a change of the memory map does ({@link NO_CONTROLLERS}).
 */
const TRANSLATIONS_MIB = 2047;

function accelerate(accelerator: Accelerator): string[] {
  return accelerator === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', `tcg,thread=multi,tb-size=${TRANSLATIONS_MIB}`, '-cpu', TCG_CPU];
}

function diskNode(file: string) {
  const cache = { direct: false, 'no-flush': true };
  return { driver: 'qcow2', 'node-name': 'disk', cache, file: { driver: 'file', filename: file, cache } };
}

/** By another driver than the root file system's, with a serial number as disks have one. */
function dataDisk(file: string): string[] {
  const node = { driver: 'raw', 'node-name': 'data', file: { driver: 'file', filename: file } };
  const device = `scsi-hd,drive=data,serial=${DATA_DISK}`;
  return ['-device', 'virtio-scsi-pci,id=scsi', '-blockdev', JSON.stringify(node), '-device', device];
}

/** The NIC that is a port of the lab host's bridge (image/configure.ts). */
const LAN_MAC = '52:54:00:4c:41:4e';

function lan(machine: LabMachine): string {
  const local = `local.type=unix,local.path=${machine.lan}`;
  return `dgram,id=lan,${local},remote.type=unix,remote.path=${machine.lanOutside}`;
}

function network(machine: LabMachine): string {
  const forward = (port: number, guestPort: number) => `hostfwd=tcp:127.0.0.1:${port}-:${guestPort}`;
  return `user,id=net,${forward(machine.sshPort, 22)},${forward(machine.agentPort, machine.guestAgentPort)}`;
}
