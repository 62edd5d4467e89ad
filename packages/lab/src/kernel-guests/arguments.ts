/** What a guest's QEMU is started with. */
export interface KernelGuestMachine {
  readonly folder: string;
  readonly image: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** On tmpfs; sparse. */
  readonly ramFile: string;
  /** On tmpfs too: a stop waits for what QEMU flushes to it. */
  readonly disk: string;
  readonly levels: 4 | 5;
  readonly append: string;
  readonly extra: readonly string[];
}

/** Where q35 puts RAM: from this size on only 2 GiB of it below 4 GiB (hw/i386/pc_q35.c of QEMU 10.0). */
const SPLIT_BYTES = 0xb000_0000;
const LOW_RAM_BYTES = 2 ** 31;
const HIGH_RAM_START = 2 ** 32;

/** QEMU's arguments: an ordinary q35 machine whose RAM is a shared file, and nothing that helps a patcher. */
export function kernelGuestArguments(machine: KernelGuestMachine): string[] {
  const path = (name: string) => `${machine.folder}/${name}`;
  const size = machine.memoryBytes;
  const socket = (id: string, name: string) => `socket,id=${id},path=${path(name)},server=on,wait=off`;
  return [
    ...['-name', 'kernel-guest', '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-M', 'q35,memory-backend=ram', '-m', `${size / 2 ** 20}M`, '-smp', String(machine.cpus)],
    ...['-accel', 'tcg,thread=multi,tb-size=256', '-cpu', cpu(machine.levels)],
    ...['-object', `memory-backend-file,id=ram,size=${size},mem-path=${machine.ramFile},share=on`],
    ...['-kernel', machine.image, '-initrd', path('initrd')],
    ...['-append', `console=ttyS0 panic=-1 ${machine.append}`.trim()],
    ...['-chardev', `file,id=console,path=${path('console.log')}`, '-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-pci', '-chardev', socket('control', 'control.sock')],
    ...['-device', 'virtserialport,chardev=control,name=control'],
    ...['-drive', `if=none,id=disk,format=raw,file=${machine.disk}`],
    ...['-device', 'virtio-blk-pci,drive=disk'],
    ...['-qmp', `unix:${path('qmp.sock')},server=on,wait=off`],
    ...machine.extra,
  ];
}

/** Offset in the RAM file of a guest-physical address. */
export function ramFileOffset(memoryBytes: number, address: number): number {
  const split = memoryBytes >= SPLIT_BYTES ? LOW_RAM_BYTES : memoryBytes;
  return address < HIGH_RAM_START ? address : address - HIGH_RAM_START + split;
}

/** Without fast string instructions, which TCG carries out byte by byte (QEMU 10.0, target/i386/tcg). */
function cpu(levels: 4 | 5): string {
  return `max,erms=off,fsrm=off${levels === 4 ? ',la57=off' : ''}`;
}
