import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Interface names on Linux: at most 15 characters (IFNAMSIZ), none of which ends a word or a path. */
const interfaceName = z
  .string()
  .regex(
    /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}$/,
    'must be the name of a network interface: 1 to 15 letters, digits, ".", "_" or "-"',
  );

/** A tap has its guest's address with `fe` in front (libvirt does so too): that one is not a guest's. */
const macSchema = z
  .string()
  .regex(
    /^(?!fe)[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/,
    'must be a unicast MAC address in lower case such as 52:54:00:12:34:56, not beginning with fe',
  )
  .describe('Default: made from the name of the VM and the place of the NIC in this list');

/** What the guest sees. Both are tried with each QEMU that a VM can move between. */
const modelSchema = z
  .enum(['virtio', 'vmxnet3'])
  .default('virtio')
  .describe(
    'virtio is the faster one; one that a guest began to use in QEMU 10.0.13 cannot move to 11.1, vmxnet3 can',
  );

/** NICs of one VM: as many as its machine has fixed places for. */
export const MAX_NETWORKS = 4;

export const networkSchema = z.union(
  [
    z
      .strictObject({
        bridge: interfaceName.describe('A bridge of the host, which must exist when the VM is started'),
        mac: macSchema.optional(),
        model: modelSchema,
      })
      .describe('A NIC whose tap is a port of a bridge'),
    z
      .strictObject({
        user: z.literal(true).describe('Without privilege: outward only, through QEMU itself'),
        mac: macSchema.optional(),
        model: modelSchema,
      })
      .describe('A NIC whose connections end with its QEMU'),
  ],
  'must have either the name of a bridge, or user: true',
);

/** A virtual NIC as host and guest know it. */
export interface Nic {
  readonly mac: string;
  readonly model: z.infer<typeof modelSchema>;
  /** `null`: user-mode. */
  readonly tap: { readonly name: string; readonly bridge: string; readonly fd: number } | null;
}

/** The descriptor of a VM's first tap in every QEMU of it: the same one, so that it can be found there. */
const FIRST_TAP_FD = 32;

/** The NICs of a VM. The same spec always gives the same ones. */
export function nicsOf(spec: { readonly name: string; readonly networks: readonly Network[] }): Nic[] {
  return spec.networks.map((network, index) => ({
    mac: network.mac ?? macOf(spec.name, index),
    model: network.model,
    tap:
      'bridge' in network
        ? { name: `${tapPrefix(spec.name)}${index}`, bridge: network.bridge, fd: FIRST_TAP_FD + index }
        : null,
  }));
}

/** A tap as the native programs read it (native/common/tap.h); `null` for a user-mode NIC. */
export function tapWord({ mac, tap }: Nic): string | null {
  return tap === null ? null : [tap.name, tap.fd, tap.bridge, mac].join(',');
}

/** What the names of a VM's taps begin with; the place of the NIC follows. 13 characters in all. */
export function tapPrefix(name: string): string {
  return `exv${digest(name).slice(0, 8)}n`;
}

/** True for the name of a tap that {@link nicsOf} may have given. */
export function isTapName(name: string): boolean {
  return /^exv[0-9a-f]{8}n[0-9]$/.test(name);
}

type Network = z.infer<typeof networkSchema>;

/** Locally administered, as QEMU's own 52:54:00 is. */
function macOf(name: string, index: number): string {
  const bytes = digest(`${name}/${index}`).match(/../g) ?? [];
  return ['52', '54', ...bytes.slice(0, 4)].join(':');
}

function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
