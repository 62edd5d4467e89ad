import { MAX_NETWORKS, vmPaths, vmSpecSchema } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { restoreCommandLine, startCommandLine } from './build.ts';
import { vmUuid } from './identity.ts';
import { isOwnNetdev } from './networks.ts';
import { rehearsalCommandLine } from './rehearsal.ts';

const BINARY = '/usr/bin/qemu-system-x86_64';
const build = (fields: object, options: { accelerator?: 'kvm' | 'tcg' } = {}) => {
  const spec = vmSpecSchema.parse({ name: 'web', memory: '256M', boot: { kernel: '/boot/k' }, ...fields });
  return startCommandLine(spec, vmPaths(spec.name), { binary: BINARY, ...options });
};
/** What follows an option, for each time that it occurs. */
const valuesOf = (commandLine: string[], option: string) =>
  commandLine.flatMap((word, index) => (word === option ? [commandLine[index + 1]] : []));

test('the whole command line of a VM', () => {
  const spec = {
    vcpus: 2,
    boot: { kernel: '/boot/k', initrd: '/boot/i', cmdline: 'console=ttyS0 quiet' },
    disks: [{ file: '/var/lib/images/web.qcow2' }],
    extraArgs: ['-device', 'virtio-rng-pci'],
  };
  expect(build(spec)).toEqual([
    '/usr/bin/qemu-system-x86_64',
    '-name',
    'web,process=exuvia-web',
    '-uuid',
    vmUuid('web'),
    '-no-user-config',
    '-nodefaults',
    '-display',
    'none',
    '-sandbox',
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    '-object',
    'memory-backend-file,id=ram0,size=256M,mem-path=/var/lib/exuvia/store/vms/web/ram,share=on,align=2M',
    '-machine',
    'pc-q35-10.0,hpet=off,memory-backend=ram0,aux-ram-share=on',
    '-accel',
    'kvm',
    '-cpu',
    'host',
    '-smp',
    '2',
    '-m',
    '256M',
    '-chardev',
    'socket,id=qmp0,path=/run/exuvia/vms/web/qmp.sock,server=on,wait=off',
    '-mon',
    'chardev=qmp0,mode=control',
    '-chardev',
    'socket,id=handover0,path=/run/exuvia/vms/web/handover.sock,server=on,wait=off',
    '-mon',
    'chardev=handover0,mode=control',
    '-chardev',
    'socket,id=serial0,path=/run/exuvia/vms/web/console.sock,server=on,wait=off,logfile=/var/log/exuvia/vms/web.console.log,logappend=on',
    '-serial',
    'chardev:serial0',
    '-pidfile',
    '/run/exuvia/vms/web/qemu.pid',
    '-D',
    '/var/log/exuvia/vms/web.qemu.log',
    '-kernel',
    '/boot/k',
    '-initrd',
    '/boot/i',
    '-append',
    'console=ttyS0 quiet',
    '-blockdev',
    '{"driver":"file","node-name":"disk0-file","filename":"/var/lib/images/web.qcow2","read-only":false,"cache":{"direct":false,"no-flush":false}}',
    '-blockdev',
    '{"driver":"qcow2","node-name":"disk0","file":"disk0-file","read-only":false,"cache":{"direct":false,"no-flush":false}}',
    '-device',
    '{"driver":"virtio-blk-pci","id":"virtio-disk0","drive":"disk0","bus":"pcie.0","addr":"0x3","write-cache":"on","queue-size":1024}',
    '-device',
    'virtio-rng-pci',
  ]);
});

test('the same spec always gives the same command line', () => {
  expect(build({})).toEqual(build({}));
});

test('the restore is the same machine, waiting for its state', () => {
  expect(restoreCommandLine(build({}))).toEqual([...build({}), '-incoming', 'defer']);
});

test('firmware instead of a kernel, no serial console, sizes with iB', () => {
  const commandLine = build({ boot: { firmware: '/usr/share/OVMF.fd' }, serial: false, memory: '2GiB' });
  expect(valuesOf(commandLine, '-bios')).toEqual(['/usr/share/OVMF.fd']);
  expect(valuesOf(commandLine, '-m')).toEqual(['2G']);
  expect(commandLine.join(' ')).toContain('id=ram0,size=2G,');
  expect(commandLine.filter((word) => /serial|console|-kernel|-append/.test(word))).toEqual([]);
});

test('an emulated VM cannot have the CPU of the host', () => {
  expect(valuesOf(build({}, { accelerator: 'tcg' }), '-cpu')).toEqual(['max']);
  expect(valuesOf(build({ cpu: 'host,pmu=off' }, { accelerator: 'tcg' }), '-cpu')).toEqual(['max,pmu=off']);
  expect(valuesOf(build({ cpu: 'EPYC-v4' }, { accelerator: 'tcg' }), '-cpu')).toEqual(['EPYC-v4']);
});

test.each([
  ['none', true, 'on'],
  ['writeback', false, 'on'],
  ['directsync', true, 'off'],
  ['writethrough', false, 'off'],
])('cache mode %s', (cache, direct, writeCache) => {
  const commandLine = build({ disks: [{ file: '/d', cache }] });
  const nodes = valuesOf(commandLine, '-blockdev').map((text) => JSON.parse(text ?? '') as object);
  expect(nodes).toMatchObject([{ cache: { direct } }, { cache: { direct } }]);
  expect(JSON.parse(valuesOf(commandLine, '-device')[0] ?? '')).toMatchObject({ 'write-cache': writeCache });
});

test('a block device is opened as one, the bus is that of the machine, places do not depend on other disks', () => {
  const disks = [
    { file: '/a', readOnly: true },
    { file: '/dev/vg/b', format: 'raw' },
  ];
  const commandLine = build({ machine: 'pc-i440fx-10.0', disks });
  const nodes = valuesOf(commandLine, '-blockdev').map((text) => JSON.parse(text ?? '') as object);
  expect(nodes).toMatchObject([
    { driver: 'file', 'read-only': true },
    { driver: 'qcow2', 'read-only': true },
    { driver: 'host_device', filename: '/dev/vg/b', 'node-name': 'disk1-file', 'read-only': false },
    { driver: 'raw', file: 'disk1-file', 'node-name': 'disk1' },
  ]);
  const devices = valuesOf(commandLine, '-device').map((text) => JSON.parse(text ?? '') as object);
  expect(devices).toMatchObject([
    { bus: 'pci.0', addr: '0x3' },
    { bus: 'pci.0', addr: '0x4' },
  ]);
});

test('the guest agent’s channel and the vsock address have places of their own', () => {
  const commandLine = build({ guestAgent: 'virtio-serial', vsockCid: 42, machine: 'pc-i440fx-10.0' });
  expect(valuesOf(commandLine, '-chardev').at(-1)).toBe(
    'socket,id=guest-agent0,path=/run/exuvia/vms/web/guest-agent.sock,server=on,wait=off',
  );
  expect(valuesOf(commandLine, '-device').map((text) => JSON.parse(text ?? '') as object)).toEqual([
    { driver: 'virtio-serial-pci', id: 'virtio-serial0', bus: 'pci.0', addr: '0x19' },
    {
      ...{ driver: 'virtserialport', id: 'guest-agent0', bus: 'virtio-serial0.0', nr: 1 },
      ...{ chardev: 'guest-agent0', name: 'org.qemu.guest_agent.0' },
    },
    { driver: 'vhost-vsock-pci', id: 'vsock0', bus: 'pci.0', addr: '0x1a', 'guest-cid': 42 },
  ]);
});

test('the guest agent’s channel can be the second serial port', () => {
  expect(build({ guestAgent: 'isa-serial' }).slice(-4)).toEqual([
    ...['-chardev', 'socket,id=guest-agent0,path=/run/exuvia/vms/web/guest-agent.sock,server=on,wait=off'],
    ...['-device', '{"driver":"isa-serial","id":"guest-agent0","index":1,"chardev":"guest-agent0"}'],
  ]);
});

test('a rehearsal leaves the vsock address to the VM', () => {
  const rehearsal = rehearsalCommandLine(build({ vsockCid: 42 }), '/run/r').join(' ');
  expect(rehearsal).toContain('"driver":"vhost-vsock-pci"');
  expect(rehearsal).not.toContain('"guest-cid":42');
});

test('as many of everything as a spec may have: each has a place of its own on the bus', () => {
  const disks = Array.from({ length: 22 }, (_, index) => ({ file: `/d${index}` }));
  const networks = Array.from({ length: MAX_NETWORKS }, () => ({ user: true }));
  const commandLine = build({ disks, networks, guestAgent: 'virtio-serial', vsockCid: 3 });
  const places = valuesOf(commandLine, '-device').flatMap(
    (text) => /"addr":"(\w+)"/.exec(text ?? '')?.[1] ?? [],
  );
  expect(places).toHaveLength(22 + MAX_NETWORKS + 2);
  expect(new Set(places).size).toBe(places.length);
  expect(Math.max(...places.map(Number))).toBeLessThan(0x1f);
});

test('NICs have fixed places behind the disks; a tap is an inherited descriptor', () => {
  const networks = [
    { bridge: 'br0', mac: '52:54:00:00:00:01' },
    { user: true, mac: '52:54:00:00:00:02', model: 'vmxnet3' },
  ];
  const commandLine = build({ networks });
  const netdevs = valuesOf(commandLine, '-netdev');
  expect(netdevs).toEqual(['tap,id=nic0,fd=32,vhost=off', 'user,id=nic1']);
  expect(netdevs.map((value) => isOwnNetdev(value ?? ''))).toEqual([true, true]);
  expect(isOwnNetdev('tap,id=x,fd=32')).toBe(false);
  expect(valuesOf(commandLine, '-device')).toEqual([
    '{"driver":"virtio-net-pci","rx_queue_size":1024,"tx_queue_size":256,"id":"virtio-nic0","netdev":"nic0","mac":"52:54:00:00:00:01","bus":"pcie.0","addr":"0x1b","romfile":""}',
    '{"driver":"vmxnet3","id":"vmxnet3-nic1","netdev":"nic1","mac":"52:54:00:00:00:02","bus":"pcie.0","addr":"0x1c","romfile":""}',
  ]);
  expect(valuesOf(rehearsalCommandLine(commandLine, '/run/r'), '-netdev')).toEqual([
    'hubport,id=nic0,hubid=0',
    'user,id=nic1',
  ]);
});

test("a VM's UUID never changes and is of version 5", () => {
  expect(vmUuid('web')).toBe('5476a363-75a3-54cc-9d41-399cc98ff276');
  expect(vmUuid('web2')).not.toBe(vmUuid('web'));
});
