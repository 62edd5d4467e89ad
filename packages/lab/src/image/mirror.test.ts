import { expect, test } from 'vitest';
import { mirrorOf, sourceLines } from './mirror.ts';

test('mirrors are found in deb822 sources, without the stanzas that are switched off', () => {
  const text = `Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates

Types: deb
Enabled: no
URIs: http://other.example/debian-security
Suites: bookworm-security

Types: deb
URIs: https://security.example/debian-security
Suites: bookworm-security
`;
  expect(mirrorOf([text])).toEqual({
    debian: 'http://mirror.example/debian',
    security: 'https://security.example/debian-security',
  });
});

test('mirrors are found in one-line sources with options and comments', () => {
  const text = `# deb http://no.example/debian trixie main
deb [arch=amd64 signed-by=/k.gpg] https://one.example/pub/debian trixie main
deb https://packages.example/apt cloud main
`;
  expect(mirrorOf([text])).toEqual({
    debian: 'https://one.example/pub/debian',
    security: 'http://deb.debian.org/debian-security',
  });
});

test('a machine that names no Debian archive uses the one of Debian itself', () => {
  expect(mirrorOf(['deb https://archive.example/ubuntu noble main'])).toEqual({
    debian: 'http://deb.debian.org/debian',
    security: 'http://deb.debian.org/debian-security',
  });
});

test('the lab host has the four suites of trixie', () => {
  const mirror = { debian: 'http://m/debian', security: 'http://m/debian-security' };
  expect(sourceLines(mirror, '/k.gpg')).toEqual([
    'deb [signed-by=/k.gpg] http://m/debian trixie main',
    'deb [signed-by=/k.gpg] http://m/debian trixie-updates main',
    'deb [signed-by=/k.gpg] http://m/debian-security trixie-security main',
    'deb [signed-by=/k.gpg] http://m/debian trixie-backports main',
  ]);
});
