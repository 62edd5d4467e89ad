import { expect, test } from 'vitest';
import { aptConfiguration } from './apt.ts';

test('a private apt reaches archives as the machine does, and takes nothing else of its configuration', () => {
  const machines = `Acquire "";
Acquire::AllowInsecureRepositories "1";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128/";
Acquire::http::Proxy::mirror.example "DIRECT";
Acquire::https::CaInfo "/etc/ssl/own.pem";
Acquire::IndexTargets::deb::Packages::Optional "0";
Acquire::Languages "";
Acquire::Languages:: "de";
Acquire::Retries "3";`;
  const lines = aptConfiguration('/work', machines).split('\n');
  expect(lines.filter((line) => line.startsWith('Acquire'))).toEqual([
    'Acquire::http "";',
    'Acquire::http::Proxy "http://proxy.example:3128/";',
    'Acquire::http::Proxy::mirror.example "DIRECT";',
    'Acquire::https::CaInfo "/etc/ssl/own.pem";',
    'Acquire::Retries "3";',
    'Acquire::Languages "none";',
  ]);
  expect(lines).toContain('Dir::Etc::sourcelist "/work/sources.list";');
});
