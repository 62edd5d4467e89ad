import { expect, test } from 'vitest';
import { unitOfCgroup } from './control.ts';
import { parseUnits } from './units.ts';

/** From Debian 13 (systemd 257). */
const SHOW = `\
Type=notify
RefuseManualStop=no
MainPID=812
ControlGroup=/system.slice/ssh.service
Id=ssh.service
RequiredBy=multi-user.target
BoundBy=a.service b.service
ConsistsOf=b.service
Description=OpenBSD Secure Shell server
ActiveState=active
SubState=running

RefuseManualStop=yes
ControlGroup=
Id=dbus.socket
Description=D-Bus System Message Bus Socket = bus
Transient=yes
ActiveState=active
SubState=listening

Id=exuvia.slice
ActiveState=active
`;

test('units are read with what decides how to stop them', () => {
  expect(parseUnits(SHOW)).toEqual([
    {
      name: 'ssh.service',
      kind: 'service',
      state: 'active',
      subState: 'running',
      serviceType: 'notify',
      mainPid: 812,
      controlGroup: '/system.slice/ssh.service',
      refusesStop: false,
      transient: false,
      stopsWithIt: ['multi-user.target', 'a.service', 'b.service'],
      description: 'OpenBSD Secure Shell server',
    },
    {
      name: 'dbus.socket',
      kind: 'socket',
      state: 'active',
      subState: 'listening',
      serviceType: null,
      mainPid: null,
      controlGroup: null,
      refusesStop: true,
      transient: true,
      stopsWithIt: [],
      description: 'D-Bus System Message Bus Socket = bus',
    },
  ]);
});

test('a process belongs to the innermost service or scope of its cgroup', () => {
  expect(unitOfCgroup('0::/exuvia.slice/exuvia-vm-a.scope\n')).toBe('exuvia-vm-a.scope');
  expect(unitOfCgroup('0::/system.slice/a.service/sub\n')).toBe('a.service');
  expect(unitOfCgroup('0::/user.slice/user-0.slice/user@0.service/app.slice/b.scope\n')).toBe('b.scope');
  expect(unitOfCgroup('0::/\n')).toBeNull();
});
