import { expect, test } from 'vitest';
import { suiteToName } from './apt.ts';

const policy = (priority: number, suite: string) => `linux-image-7.2.12+deb13-amd64:
  Installed: (none)
  Candidate: 7.2.12-1~bpo13+1
  Version table:
     7.2.12-1~bpo13+1 ${priority}
        ${priority} http://mirror.example/debian ${suite}/main amd64 Packages
`;

test.each([
  ['of backports', policy(100, 'trixie-backports'), 'trixie-backports'],
  ['of the release', policy(500, 'trixie'), null],
  ['of a pinned suite', policy(990, 'trixie-backports'), null],
  ['that nobody knows', '', null],
])('for a package %s apt is told the suite only if it must be', (_, text, suite) => {
  expect(suiteToName(text)).toBe(suite);
});
