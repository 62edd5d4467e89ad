import { expect, test } from 'vitest';
import { chooseKernel, choosePackage, kernelUnknown } from './kernel.ts';

const INSTALLED = [
  '6.12.9+deb13-amd64',
  '6.12.107+deb13-amd64',
  '7.2.12+deb13-amd64',
  '7.2.12+deb13-cloud-amd64',
  '7.20.1+deb13-amd64',
];

test.each([
  ['a whole release', '6.12.9+deb13-amd64', '6.12.9+deb13-amd64'],
  ['the newest by number, not by letter', '6.12', '6.12.107+deb13-amd64'],
  ['the end of a number only', '7.2', '7.2.12+deb13-amd64'],
  ['a beginning that ends in a letter', '7.2.12+deb13-c', '7.2.12+deb13-cloud-amd64'],
  ['nothing for what is not there', '5.10', null],
  ['nothing for a piece of a number', '6.1', null],
  ['nothing for the middle of a release', '12.107', null],
])('a request means %s', (_, requested, expected) => {
  expect(chooseKernel(requested, INSTALLED, '6.12.107+deb13-amd64')).toBe(expected);
});

test('of two flavours of one version it is that of the running kernel', () => {
  expect(chooseKernel('7.2', INSTALLED, '6.12.107+deb13-cloud-amd64')).toBe('7.2.12+deb13-cloud-amd64');
  expect(chooseKernel('7.2', INSTALLED, '6.12.107+deb13-amd64')).toBe('7.2.12+deb13-amd64');
  expect(chooseKernel('7.2', INSTALLED, 'home-made')).toBe('7.2.12+deb13-cloud-amd64');
});

test('apt offers the package of the running flavour, never debug symbols', () => {
  const names = [
    'linux-image-7.2.12+deb13-amd64',
    'linux-image-7.2.12+deb13-amd64-dbg',
    'linux-image-7.2.12+deb13-amd64-unsigned',
    'linux-image-7.2.12+deb13-cloud-amd64',
    'linux-image-amd64',
    'linux-headers-7.2.12+deb13-amd64',
  ];
  expect(choosePackage('7.2', names, '6.12.107+deb13-amd64')).toBe('linux-image-7.2.12+deb13-amd64');
  expect(choosePackage('8.0', names, '6.12.107+deb13-amd64')).toBeNull();
});

test('an unknown kernel is refused with what there is and how to get it', () => {
  expect(kernelUnknown('7.2', ['6.12.9', '6.12.107'], 'apt install linux-image-7.2')).toMatchObject({
    code: 'kernel-unknown',
    message: 'No kernel 7.2 is installed on this host. Installed: 6.12.9, 6.12.107.',
    hint: 'Install it: apt install linux-image-7.2',
  });
  expect(kernelUnknown('7.2', [], null)).toMatchObject({
    message: 'No kernel 7.2 is installed on this host. Installed: none.',
    hint: 'apt knows no package with this kernel either: check the release, or the sources of apt.',
  });
});
