import { run } from '../process/run.ts';
import { parseShow } from './show.ts';

const KINDS = [
  'service',
  'socket',
  'timer',
  'path',
  'mount',
  'automount',
  'swap',
  'scope',
  'target',
] as const;
export type UnitKind = (typeof KINDS)[number];

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
  /** Units that systemd stops with this one: they require it, are bound to it, a part of it or told by it (systemd.unit(5)). */
  readonly stopsWithIt: readonly string[];
  readonly description: string;
}

const STOPPED_WITH_IT = ['RequiredBy', 'RequisiteOf', 'BoundBy', 'ConsistsOf', 'PropagatesStopTo'];

const PROPERTIES = [
  'Id',
  'ActiveState',
  'SubState',
  'Type',
  'MainPID',
  'ControlGroup',
  'RefuseManualStop',
  'Transient',
  ...STOPPED_WITH_IT,
  'Description',
];

/** Units that systemd has loaded and that are active or on their way there or back. */
export async function activeUnits(): Promise<Unit[]> {
  const patterns = KINDS.map((kind) => `*.${kind}`);
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
        stopsWithIt: [...new Set(STOPPED_WITH_IT.flatMap((property) => namesIn(values.get(property))))],
        description: values.get('Description') ?? '',
      },
    ];
  });
}

function namesIn(list: string | undefined): string[] {
  return list?.split(' ').filter(Boolean) ?? [];
}

function kindOf(name: string): UnitKind | null {
  return KINDS.find((kind) => name.endsWith(`.${kind}`)) ?? null;
}
