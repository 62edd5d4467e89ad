import { ExuviaError, type VmSpec, vmSpecSchema } from '@exuvia/contract';

/** Where the guests' files lie on the lab host. */
export const GUEST_FILES = '/var/lib/exuvia/lab';

export const GUEST_NAMES = ['tiny', 'disk', 'busy'] as const;

/** Addresses on the network of the lab host's bridge, all in one /24: the host's, each guest's, its client's outside. */
export const LAN = {
  host: '10.77.0.10',
  wire: { guest: '10.77.0.11', client: '10.77.0.1' },
  ring: { guest: '10.77.0.12', client: '10.77.0.2' },
} as const;

/** A guest on the bridge, with an sshd: `wire` has a vmxnet3, `ring` a virtio-net. */
export function lanGuestSpec(name: 'wire' | 'ring'): VmSpec {
  return vmSpecSchema.parse({
    ...guestOfRole('tiny', { name, memory: '256M' }),
    boot: {
      kernel: `${GUEST_FILES}/vmlinuz`,
      initrd: `${GUEST_FILES}/ssh-initrd`,
      cmdline: `console=ttyS0 quiet panic=-1 role=tiny name=${name} address=${LAN[name].guest} peer=${LAN[name].client}`,
    },
    networks: [{ bridge: 'br0', model: name === 'wire' ? 'vmxnet3' : 'virtio' }],
  });
}

export interface GuestOptions {
  readonly busyMemory: string;
  /** Its heart beats at 1 kHz whatever that costs an emulated host; else as fast as waking up allows. */
  readonly steadyBeat?: boolean;
}

/**
 * The spec of one of the lab's guests.
 *
 * @throws ExuviaError `guest-unknown` for another name.
 */
export function guestSpec(name: string, options: GuestOptions): VmSpec {
  switch (name) {
    case 'tiny':
      return guestOfRole(name, { name, memory: '128M', priority: 10 }, options);
    case 'disk':
      return guestOfRole(
        name,
        {
          name,
          vcpus: 2,
          memory: '256M',
          priority: 20,
          disks: [{ file: `${GUEST_FILES}/disk.qcow2`, format: 'qcow2' }],
        },
        options,
      );
    case 'busy':
      return guestOfRole(name, { name, memory: options.busyMemory, priority: 30 }, options);
    default:
      throw new ExuviaError('guest-unknown', `The lab has no guest named "${name}".`, {
        hint: `It has ${GUEST_NAMES.join(', ')}.`,
      });
  }
}

/**
 * Without a paravirtual end of interrupt (KVM_FEATURE_PV_EOI) a guest's handler leaves it for KVM with its first lines. QEMU's
 * emulation of SVM (10.0, target/i386/tcg/system/svm_helper.c) delivers an interrupt that VMRUN has injected once more when
 * anything interrupts the CPU before the guest is left again: in the middle of its handler, whatever the interrupt flag says.
 * A guest that held a lock there hangs (docs/troubleshooting.md).
 */
const CPU = 'host,kvm-pv-eoi=off';

/** A spec of a guest that is none of {@link GUEST_NAMES}: what it does is its role. */
export function guestOfRole(
  role: (typeof GUEST_NAMES)[number],
  part: { name: string; memory: string } & Record<string, unknown>,
  { steadyBeat = false }: Pick<GuestOptions, 'steadyBeat'> = {},
): VmSpec {
  return vmSpecSchema.parse({
    machine: 'pc-q35-10.0',
    cpu: CPU,
    heartbeat: true,
    boot: {
      kernel: `${GUEST_FILES}/vmlinuz`,
      initrd: `${GUEST_FILES}/initrd`,
      cmdline: `console=ttyS0 quiet panic=-1 role=${role} name=${part.name}${steadyBeat ? ' beat=steady' : ''}`,
    },
    ...part,
  });
}
