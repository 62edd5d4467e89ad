import { expect, test } from 'vitest';
import { nextCommandLine } from './command-line.ts';
import { selectUnneeded } from './file-systems.ts';
import { renderPausePlan } from './pause-plan.ts';
import { renderRestorePlan } from './restore-plan.ts';
import { globToRegExp, isStoppable, stoppedAlone } from './services.ts';

test('the pause plan names sockets, state files, syncs and the commit record', () => {
  const plan = renderPausePlan({
    update: 'u1',
    vms: [
      { name: 'tiny', leave: false },
      { name: 'odd', leave: true },
    ],
    syncs: ['/var/lib/exuvia/store', '/'],
    commitRecord: '{"kind":"commit"}',
    timeoutMs: 60_000,
    watchdog: { device: '/dev/watchdog0', seconds: 120 },
  });
  expect(plan).toBe(`exuvia-pause 2
vm tiny /run/exuvia/vms/tiny/handover.sock /var/lib/exuvia/store/vms/tiny/device-state /var/lib/exuvia/store/vms/tiny/ram
vm odd /run/exuvia/vms/odd/handover.sock /var/lib/exuvia/store/vms/odd/device-state /var/lib/exuvia/store/vms/odd/ram leave
manifest /var/lib/exuvia/store/updates/u1/manifest
stamps /var/lib/exuvia/store/updates/u1/stamps
sync /var/lib/exuvia/store
sync /
journal /var/lib/exuvia/journal.jsonl
commit {"kind":"commit"}
timeout-ms 60000
watchdog /dev/watchdog0 120
checksum 047c9fb2
`);
});

test('the restore plan names modules, file systems and every VM with its complete command line', () => {
  const plan = renderRestorePlan({
    update: 'u1',
    modules: [{ group: 'vm', file: '/modules/kvm_amd.ko', options: 'npt=1' }],
    root: {
      uuid: '1-2',
      type: 'ext4',
      path: '/',
      options: 'rw,relatime',
      disk: { kind: 'wwid', value: 'eui.1', partition: 2 },
    },
    mounts: [{ uuid: '3-4', type: 'xfs', path: '/srv/disks', options: 'rw', disk: null }],
    devices: [
      { path: '/dev/disk/by-id/scsi-x-part2', kind: 'wwid', value: 't10.QEMU    disk a', partition: 2 },
    ],
    store: { label: 'exuvia-store', path: '/var/lib/exuvia/store', options: 'rw,dax=always' },
    vms: [
      {
        name: 'tiny',
        argv: ['/bin/qemu', '-append', 'a b'],
        environment: { PATH: '/bin' },
        cpus: '1-2',
        nice: -5,
        taps: ['exv4b5e57f6n0,32,br0,52:54:00:00:00:01'],
      },
    ],
    cpus: '0-2',
    watchdog: '/dev/watchdog0',
    network: {
      bridges: [{ name: 'br0', mac: '52:54:00:00:00:01', mtu: 1500, settings: { stp_state: '0' } }],
      nics: [],
      vlans: [],
      late: ['bond0 of br0 (bond)'],
    },
    timeoutMs: 60_000,
    fallback: {
      images: [{ kernel: '/boot/old', initrd: '/old.cpio' }],
      commandLine: 'root=UUID=1 exuvia.fallback=u1',
      failure: '/var/lib/exuvia/store/updates/u1/failure',
    },
    fault: { step: 'early-restore', action: 'kill', when: 'after', at: 'restore', vm: 'tiny' },
  });
  expect(plan).toBe(`exuvia-early-restore 2
module vm /modules/kvm_amd.ko npt=1
root 1-2 ext4 rw,relatime
mount 3-4 xfs /srv/disks rw
on / 2 wwid eui.1
device /dev/disk/by-id/scsi-x-part2 2 wwid t10.QEMU    disk a
store exuvia-store ext4 /var/lib/exuvia/store rw,dax=always
bridge br0 52:54:00:00:00:01 1500 stp_state=0
online-cpus 0-2
watchdog /dev/watchdog0
manifest /var/lib/exuvia/store/updates/u1/manifest
timeout-ms 60000
init /sbin/init
fallback /boot/old /old.cpio
fallback-arguments root=UUID=1 exuvia.fallback=u1
failure /var/lib/exuvia/store/updates/u1/failure
fault restore kill tiny
vm tiny
ram /var/lib/exuvia/store/vms/tiny/ram
state /var/lib/exuvia/store/vms/tiny/device-state
scope exuvia.slice/exuvia-vm-tiny.scope
log /var/log/exuvia/vms/tiny.qemu.log
runtime /run/exuvia/vms/tiny
cpus 1-2
nice -5
tap exv4b5e57f6n0,32,br0,52:54:00:00:00:01
env PATH=/bin
arg /bin/qemu
arg -append
arg a b
checksum cce670bd
`);
});

test('the next command line keeps what describes the machine and drops what belonged to one boot', () => {
  const running =
    'BOOT_IMAGE=/boot/vmlinuz-6 root=UUID=1 ro memmap=2G!5G tsc_early_khz=1 lpj=2 nosmt exuvia.update=old exuvia.fallback=old exuvia.crash=1 console=ttyS0\n';
  expect(nextCommandLine(running, 'new', { tscKhz: 2_596_104.4, hz: 250 }, ['nosmt'])).toBe(
    'root=UUID=1 ro memmap=2G!5G console=ttyS0 quiet cryptomgr.notests tsc_early_khz=2596104 lpj=10384416 panic=10 nosmt exuvia.update=new',
  );
  expect(nextCommandLine('root=/dev/vda quiet fips=1 panic=5', 'new', { tscKhz: null, hz: 250 }, [])).toBe(
    'root=/dev/vda quiet fips=1 panic=5 exuvia.update=new',
  );
  const withoutTsc = nextCommandLine('tsc=unstable quiet', 'new', { tscKhz: 1, hz: 250 }, []);
  expect(withoutTsc).not.toContain('lpj=');
  expect(nextCommandLine('quiet', 'new', { tscKhz: 1, hz: null }, [])).not.toContain('lpj=');
});

const unit = {
  name: 'nginx.service',
  kind: 'service',
  state: 'active',
  subState: 'running',
  serviceType: 'notify',
  mainPid: 1,
  controlGroup: '/system.slice/nginx.service',
  refusesStop: false,
  transient: false,
  stopsWithIt: [],
  description: '',
} as const;

test('only running services that nobody needs are stopped', () => {
  const kept = ['ssh*', 'exuvia-*'].map(globToRegExp);
  const stops = (change: object) => isStoppable({ ...unit, ...change }, kept, new Set(['exuvia-vm-a.scope']));
  expect(stops({})).toBe(true);
  expect(stops({ name: 'ssh.service' })).toBe(false);
  expect(stops({ name: 'not-ssh.service' })).toBe(true);
  expect(stops({ subState: 'exited' })).toBe(false);
  expect(stops({ refusesStop: true })).toBe(false);
  expect(stops({ transient: true })).toBe(false);
  expect(stops({ controlGroup: '/exuvia.slice/x.service' })).toBe(false);
  expect(stops({ name: 'srv.mount', kind: 'mount' })).toBe(false);
});

test('what something that stays would be stopped with is not stopped', () => {
  const named = (name: string, ...stopsWithIt: string[]) => ({ ...unit, name, stopsWithIt });
  const web = named('web.service');
  const units = [
    web,
    named('web.socket', 'web.service', 'inactive.service'),
    named('event.socket', 'monitor.service'),
    named('bus.service', 'event.socket'),
  ];
  const active = [...units, named('monitor.service')];
  expect(stoppedAlone(units, active).map(({ name }) => name)).toEqual(['web.service', 'web.socket']);
});

test('file systems that hold data and that no VM needs are unmounted, the deepest first', () => {
  const mount = (mountPoint: string, type: string, source: string) => ({
    id: 1,
    parent: 0,
    device: '8:1',
    root: '/',
    mountPoint,
    options: ['ro', 'nodev'],
    type,
    source,
    superOptions: ['rw', 'usrquota'],
  });
  const table = [
    mount('/', 'ext4', '/dev/a'),
    mount('/proc', 'proc', 'proc'),
    mount('/boot/efi', 'vfat', '/dev/b'),
    mount('/srv', 'ext4', '/dev/d'),
    mount('/net', 'nfs4', 'host:/srv'),
    mount('/srv/disks', 'xfs', '/dev/c'),
    mount('/var/lib/exuvia/store', 'ext4', '/dev/pmem0'),
  ];
  const needs = {
    mounts: [{ uuid: '1', type: 'xfs', path: '/srv/disks', options: '', disk: null }],
    store: { label: 'exuvia-store', path: '/var/lib/exuvia/store', options: '' },
  };
  // An abort mounts it as it was.
  expect(selectUnneeded(table, needs)).toEqual([
    { source: '/dev/d', mountPoint: '/srv', type: 'ext4', options: ['ro', 'nodev', 'usrquota'] },
  ]);
});
