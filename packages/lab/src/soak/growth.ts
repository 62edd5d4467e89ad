import { labRun } from '../host/ssh.ts';
import type { LabState } from '../host/state.ts';

/** What must not grow from update to update; all of it counted on the lab host. */
export interface Footprint {
  /** Memory of the agent's own that is resident, KiB. */
  readonly agentKib: number;
  readonly agentFds: number;
  /** The same of all QEMUs, without the VMs' memory. */
  readonly qemuKib: number;
  readonly qemuFds: number;
  /** Files of Exuvia but for the history: two records and what steps remember for each update. */
  readonly files: number;
  /** Files of the history that no step may leave: initramfs, kernels, saved memory. The history itself grows by each update. */
  readonly historyBulk: number;
  /** Kernels that the boot loader offers, and entries in its environment. */
  readonly bootEntries: number;
  /** What is used of the store, KiB. */
  readonly storeKib: number;
  /** Memory of the host's kernel that is not given back (slab), KiB. */
  readonly kernelKib: number;
}

/** Counts what is there now. */
export async function footprintOf(lab: LabState): Promise<Footprint> {
  const { stdout } = await labRun(lab, COUNT, { timeoutMs: 120_000 });
  const found = Object.fromEntries(
    stdout.split('\n').map((line) => {
      const [name = '', count = ''] = line.split(' ');
      return [name, Number(count)];
    }),
  );
  const take = (name: keyof Footprint) => found[name] ?? Number.NaN;
  return {
    agentKib: take('agentKib'),
    agentFds: take('agentFds'),
    qemuKib: take('qemuKib'),
    qemuFds: take('qemuFds'),
    files: take('files'),
    historyBulk: take('historyBulk'),
    bootEntries: take('bootEntries'),
    storeKib: take('storeKib'),
    kernelKib: take('kernelKib'),
  };
}

const COUNT = `
agent=$(systemctl show -P MainPID exuvia-agent)
qemus=$(grep -l /vms/ /proc/[0-9]*/maps 2>/dev/null | cut -d/ -f3 | sort -u | while read pid; do grep -qz -- -machine /proc/$pid/cmdline && echo $pid; done)
# Not what is mapped from files: programs, and since Linux 6.15 the VMs' memory in the store too.
owned() { awk '/^(RssAnon|RssShmem):/ { sum += $2 } END { print sum+0 }' $(for pid in $*; do echo /proc/$pid/status; done); }
fds() { for pid in $*; do ls /proc/$pid/fd; done | wc -l; }
echo agentKib $(owned $agent)
echo agentFds $(fds $agent)
echo qemuKib $(owned $qemus)
echo qemuFds $(fds $qemus)
echo files $(find /var/lib/exuvia /run/exuvia /etc/exuvia /boot -type f -not -path '/var/lib/exuvia/updates/*' | wc -l)
echo historyBulk $(find /var/lib/exuvia/updates -type f -size +1024k | wc -l)
echo bootEntries $(( $(grep -c '^\\s*menuentry ' /boot/grub/grub.cfg) + $(grub-editenv list | wc -l) ))
echo storeKib $(df --output=used -k /var/lib/exuvia/store | tail -1)
echo kernelKib $(awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo)
`;

/** How much each may differ between the beginning and the end and count as no growth. */
const TOLERANCE: Footprint = {
  // Caches of the JavaScript runtime settle after some updates only.
  agentKib: 32 * 1024,
  agentFds: 2,
  qemuKib: 24 * 1024,
  qemuFds: 3,
  files: 1,
  historyBulk: 0,
  bootEntries: 0,
  storeKib: 8 * 1024,
  kernelKib: 16 * 1024,
};

export interface Growth {
  /** After which kind of update, under which kernel and QEMUs. */
  readonly under: string;
  readonly what: keyof Footprint;
  readonly before: number;
  readonly after: number;
  /** More than is explained by what settles. */
  readonly grows: boolean;
}

/** What there was at one moment, after which kind of update, under which kernel and QEMUs: only equals can be compared. */
export interface Sighting {
  readonly under: string;
  readonly footprint: Footprint;
}

/** The sightings after which everything is warm: what settles then is no growth. */
const WARM_UP = 2;

/** The first against the last of all moments that are equal, once it is warm; empty when no two are. Pure. */
export function growthOf(sightings: readonly Sighting[]): Growth[] {
  const warm = sightings.length > WARM_UP + 1 ? sightings.slice(WARM_UP) : sightings;
  return [...Map.groupBy(warm, ({ under }) => under).values()].flatMap((equal) => {
    const [first, last] = [equal.at(0), equal.at(-1)];
    return first === undefined || last === undefined || first === last ? [] : growthBetween(first, last);
  });
}

/** Compares two footprints of equal moments. Pure. */
function growthBetween({ under, footprint: before }: Sighting, { footprint: after }: Sighting): Growth[] {
  return (Object.keys(TOLERANCE) as (keyof Footprint)[]).map((what) => ({
    ...{ under, what, before: before[what], after: after[what] },
    // Not a number is what could not be counted: no proof of anything.
    grows: !(after[what] - before[what] <= TOLERANCE[what]),
  }));
}
