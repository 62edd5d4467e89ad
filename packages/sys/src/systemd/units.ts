import { run } from '../process/run.ts';
import { parseShow } from './show.ts';

export type UnitKind = 'service' | 'socket' | 'timer' | 'path' | 'mount' | 'automount' | 'swap' | 'scope';

export interface Unit {
  readonly name: string;
  readonly kind: UnitKind;
  /** `active`, `activating`, `deactivating`, `reloading`, `failed`, `inactive`. */
  readonly state: string;
  /** `running`, `exited`, `listening`, `waiting`, `mounted`... */
  readonly subState: string;
  /** Of services: `simple`, `oneshot`, `notify`...; else null. */
  readonly serviceType: string | null;
  readonly mainPid: number | null;
  /** Below the cgroup root, for example /system.slice/ssh.service. */
  readonly controlGroup: string | null;
  /** The unit refuses to be stopped by hand. */
  readonly refusesStop: boolean;
  /** It has no unit file (`systemd-run`): once it is stopped nobody can start it again. */
  readonly transient: boolean;
  /** Units that start this one: a socket of a service that is stopped must be stopped first. */
  readonly triggeredBy: readonly string[];
  readonly description: string;
}

const PROPERTIES = [
  'Id',
  'ActiveState',
  'SubState',
  'Type',
  'MainPID',
  'ControlGroup',
  'RefuseManualStop',
  'Transient',
  'TriggeredBy',
  'Description',
];

/** Units of the given kinds that systemd has loaded and that are active or on their way there or back. */
export async function activeUnits(
  kinds: readonly UnitKind[] = ['service', 'socket', 'timer', 'path'],
): Promise<Unit[]> {
  const patterns = kinds.map((kind) => `*.${kind}`);
  const { stdout } = await run('systemctl', [
    'show',
    `--property=${PROPERTIES.join(',')}`,
    '--',
    ...patterns,
  ]);
  return parseUnits(stdout).filter((unit) => unit.state !== 'inactive' && unit.state !== 'failed');
}

export function parseUnits(output: string): Unit[] {
  return parseShow(output).flatMap((values): Unit[] => {
    const name = values.get('Id');
    const kind = kindOf(name ?? '');
    if (!name || kind === null) return [];
    const mainPid = Number(values.get('MainPID') ?? '0');
    return [
      {
        name,
        kind,
        state: values.get('ActiveState') ?? 'unknown',
        subState: values.get('SubState') ?? 'unknown',
        serviceType: kind === 'service' ? (values.get('Type') ?? null) : null,
        mainPid: mainPid > 0 ? mainPid : null,
        controlGroup: values.get('ControlGroup') || null,
        refusesStop: values.get('RefuseManualStop') === 'yes',
        transient: values.get('Transient') === 'yes',
        triggeredBy: values.get('TriggeredBy')?.split(' ').filter(Boolean) ?? [],
        description: values.get('Description') ?? '',
      },
    ];
  });
}

const KINDS: readonly UnitKind[] = [
  'service',
  'socket',
  'timer',
  'path',
  'mount',
  'automount',
  'swap',
  'scope',
];

function kindOf(name: string): UnitKind | null {
  return KINDS.find((kind) => name.endsWith(`.${kind}`)) ?? null;
}
