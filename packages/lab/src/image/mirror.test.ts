import { parseAptSources } from '@exuvia/sys';
import { expect, test } from 'vitest';
import { mirrorAmong, sourceLines } from './mirror.ts';

const mirrorOf = (texts: readonly string[]) => mirrorAmong(texts.flatMap(parseAptSources));

test('mirrors are found in deb822 sources, without the stanzas that are switched off', () => {
  const text = `Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

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

const THIRD_PARTIES = [
  `deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable
deb [signed-by=/usr/share/keyrings/caddy.gpg] https://dl.cloudsmith.io/public/caddy/stable/deb/debian any-version main
deb [signed-by=/usr/share/keyrings/tailscale.gpg] https://pkgs.tailscale.com/stable/debian bookworm main
deb-src http://deb.debian.org/other/debian bookworm main
`,
  `Types: deb
URIs: https://repo.example.com/debian
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/example.gpg

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
`,
];

test('archives of others that end in /debian are not taken for Debian', () => {
  const debian = `Types: deb deb-src
URIs:
 http://mirror.example/debian
Suites: bookworm bookworm-updates
# Comment
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;
  expect(mirrorOf([...THIRD_PARTIES, debian]).debian).toBe('http://mirror.example/debian');
  expect(mirrorOf(THIRD_PARTIES.slice(0, 1)).debian).toBe('http://deb.debian.org/debian');
  expect(mirrorOf([...THIRD_PARTIES, 'deb http://plain.example/debian stable main']).debian).toBe(
    'http://plain.example/debian',
  );
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
