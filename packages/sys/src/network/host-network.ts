import { access } from 'node:fs/promises';
import { z } from 'zod';
import { run } from '../process/run.ts';

/** Network interfaces of the host: what is looked up and changed of them for VMs. */
export interface HostNetwork {
  links(): Promise<Link[]>;
  /** Cheap: nothing is executed. */
  hasBridge(name: string): Promise<boolean>;
  /** Makes an interface a port of a bridge, and sets it up. */
  join(name: string, bridge: string): Promise<void>;
  /** Removes an interface; one that is gone already is no error. */
  remove(name: string): Promise<void>;
}

/** An interface as `ip -details -json link` tells it. */
export interface Link {
  readonly name: string;
  readonly mac: string;
  /** The address that the device has when its driver is loaded. */
  readonly permanentMac: string;
  readonly mtu: number;
  /** Set up, and somebody is at the other end: of a tap, the process that has it open. */
  readonly carrier: boolean;
  /** `bridge`, `tun`, `vlan`, `bond`, ...; `null` for what a driver serves. */
  readonly kind: string | null;
  /** The bridge or bond that it belongs to. */
  readonly master: string | null;
  /** The interface that it lies on (a VLAN's). */
  readonly below: string | null;
  readonly vlanId: number | null;
}

const linkSchema = z.object({
  ifname: z.string(),
  address: z.string().default(''),
  permaddr: z.string().optional(),
  mtu: z.int(),
  flags: z.array(z.string()),
  master: z.string().optional(),
  link: z.string().nullish(),
  linkinfo: z
    .object({
      info_kind: z.string().optional(),
      info_data: z.looseObject({ id: z.unknown().optional() }).optional(),
    })
    .optional(),
});

/** The network of this process; tests give a network namespace of their own. */
export function hostNetwork(namespace?: string): HostNetwork {
  const within = namespace === undefined ? [] : ['-n', namespace];
  const ip = (...args: string[]) => run('ip', [...within, ...args]);
  const links = async () => parseLinks((await ip('-details', '-json', 'link', 'show')).stdout);
  return {
    links,
    async hasBridge(name) {
      if (namespace !== undefined)
        return (await links()).some((link) => link.name === name && link.kind === 'bridge');
      return access(`/sys/class/net/${name}/bridge`).then(
        () => true,
        () => false,
      );
    },
    async join(name, bridge) {
      await ip('link', 'set', 'dev', name, 'master', bridge, 'up');
    },
    async remove(name) {
      const { exitCode } = await run('ip', [...within, 'link', 'delete', 'dev', name], {
        allowFailure: true,
      });
      if (exitCode !== 0 && (await links()).some((link) => link.name === name))
        await ip('link', 'delete', 'dev', name);
    },
  };
}

/** Reads the output of `ip -details -json link show`. */
export function parseLinks(text: string): Link[] {
  return z
    .array(linkSchema)
    .parse(JSON.parse(text === '' ? '[]' : text))
    .map((link) => ({
      name: link.ifname,
      mac: link.address,
      permanentMac: link.permaddr ?? link.address,
      mtu: link.mtu,
      carrier: link.flags.includes('LOWER_UP'),
      kind: link.linkinfo?.info_kind ?? null,
      master: link.master ?? null,
      below: link.link ?? null,
      vlanId: link.linkinfo?.info_kind === 'vlan' ? Number(link.linkinfo.info_data?.id) : null,
    }));
}
