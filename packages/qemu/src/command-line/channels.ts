import type { VmSpec } from '@exuvia/contract';

/** Between the last disk's and the first NIC's, so that neither depends on what else a VM has. */
const SERIAL_SLOT = '0x19';
const VSOCK_SLOT = '0x1a';

/** Name of the port by which qemu-guest-agent finds its channel. */
const GUEST_AGENT_PORT = 'org.qemu.guest_agent.0';

/** What leads from host to guest beside disks: the guest agent's channel, and sockets of the family vsock. */
export function channelArguments(spec: VmSpec, guestAgentSocket: string): string[] {
  return [
    ...guestAgent(spec, guestAgentSocket),
    ...(spec.vsockCid === undefined ? [] : vsock(spec, spec.vsockCid)),
  ];
}

/** True for a VM whose vsock address a second QEMU could not have at the same time. */
export function holdsVsock(commandLine: readonly string[]): boolean {
  return commandLine.some((word) => word.includes('vhost-vsock'));
}

function guestAgent(spec: VmSpec, socket: string): string[] {
  const channel = ['-chardev', `socket,id=guest-agent0,path=${socket},server=on,wait=off`];
  if (spec.guestAgent === 'none') return [];
  if (spec.guestAgent === 'isa-serial') {
    const second = { driver: 'isa-serial', id: 'guest-agent0', index: 1, chardev: 'guest-agent0' };
    return [...channel, '-device', JSON.stringify(second)];
  }
  const bus = { driver: 'virtio-serial-pci', id: 'virtio-serial0', bus: rootBus(spec), addr: SERIAL_SLOT };
  const port = {
    driver: 'virtserialport',
    id: 'guest-agent0',
    bus: 'virtio-serial0.0',
    nr: 1,
    chardev: 'guest-agent0',
    name: GUEST_AGENT_PORT,
  };
  return [...['-device', JSON.stringify(bus)], ...channel, ...['-device', JSON.stringify(port)]];
}

function vsock(spec: VmSpec, cid: number): string[] {
  const device = { driver: 'vhost-vsock-pci', id: 'vsock0', bus: rootBus(spec), addr: VSOCK_SLOT };
  return ['-device', JSON.stringify({ ...device, 'guest-cid': cid })];
}

function rootBus({ machine }: VmSpec): string {
  return machine.startsWith('pc-q35-') ? 'pcie.0' : 'pci.0';
}
