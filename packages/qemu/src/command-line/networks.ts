import type { Nic } from '@exuvia/contract';

/** Behind the last disk (disks.ts) and the channels (channels.ts): the NICs’ places never move. */
const FIRST_SLOT = 0x1b;

/**
 * Said outright, as for disks (disks.ts): what a saved state must fit. These are the largest that QEMU has for a tap.
 * QEMU 10.0.13 makes every ring 1024 all the same, which 11.1 does not take for sending (virtio_add_queue; "exceeds
 * allocated max"): a guest that began in the one cannot move to the other with virtio.
 */
const VIRTIO = { driver: 'virtio-net-pci', rx_queue_size: 1024, tx_queue_size: 256 };

/**
 * Arguments for one NIC, with ids and a PCI address that depend on its index alone.
 *
 * The tap is an inherited descriptor without the kernel's virtio-net header: a second QEMU on the same tap would set
 * the header's length anew as soon as it starts (QEMU 10.0, net/tap.c: net_tap_fd_init), under the one that runs the
 * guest; and what a kernel can do with such headers is not the same in every kernel. No option ROM: its size is part
 * of what a saved state must fit.
 */
export function networkArguments({ mac, model, tap }: Nic, index: number, machine: string): string[] {
  const id = `nic${index}`;
  const device = {
    ...(model === 'virtio' ? VIRTIO : { driver: model }),
    id: `${model}-${id}`,
    netdev: id,
    mac,
    bus: machine.startsWith('pc-q35-') ? 'pcie.0' : 'pci.0',
    addr: `0x${(FIRST_SLOT + index).toString(16)}`,
    romfile: '',
  };
  const backEnd = tap === null ? `user,id=${id}` : `tap,id=${id},fd=${tap.fd},vhost=off`;
  return ['-netdev', backEnd, '-device', JSON.stringify(device)];
}

/** True for a back end of {@link networkArguments}. */
export function isOwnNetdev(value: string): boolean {
  return /^(user,id=nic\d|tap,id=nic\d,fd=\d+,vhost=off)$/.test(value);
}
