import { readFileSync } from 'node:fs';
import path from 'node:path';
import { agentConfigSchema, parseAgentConfig } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { PACKAGING, ROOT } from './lib/paths.ts';
import { packageFiles } from './lib/tree.ts';

const read = (file: string) => readFileSync(path.join(PACKAGING, 'files', file), 'utf8');
const FIELDS = Object.keys(agentConfigSchema.shape);
/** What `exuvia cert init /etc/exuvia/tls` makes for the agent. */
const REMOTE = {
  listen: '0.0.0.0:7443',
  ca: '/etc/exuvia/tls/ca.crt',
  cert: '/etc/exuvia/tls/server.crt',
  key: '/etc/exuvia/tls/server.key',
};

test('agent.yaml(5) has every field of the configuration, with its default, and no other', () => {
  const fields = [...read('agent.yaml.5').matchAll(/^\.BR (\w+) " \((.*)\)"$/gm)];
  expect(fields.map(([, field]) => field).sort()).toEqual([...FIELDS].sort());
  const defaults: Record<string, unknown> = agentConfigSchema.parse({});
  for (const [, field = '', value = ''] of fields) {
    const said = value === 'absent' ? undefined : parseAgentConfig(`${field}: ${value}`, 'page');
    expect(said === undefined ? undefined : (said as Record<string, unknown>)[field]).toEqual(
      defaults[field],
    );
  }
});

test('the example of agent.yaml(5) is a valid file', () => {
  const example = read('agent.yaml.5').match(/\.nf\n(.*)\.fi/s)?.[1] ?? '';
  expect(parseAgentConfig(example.replaceAll('\\-', '-'), 'example').remote).toEqual(REMOTE);
});

test('the shipped agent.yaml has every field, and what is commented out is the default', () => {
  const shipped = read('agent.yaml');
  expect(parseAgentConfig(shipped, 'agent.yaml')).toEqual(agentConfigSchema.parse({}));
  const all = shipped.replace(/^#(\w+:| {2})/gm, '$1');
  const { remote, vmCpus, ...rest } = parseAgentConfig(all, 'agent.yaml');
  expect([...Object.keys(rest), 'remote', 'vmCpus'].sort()).toEqual([...FIELDS].sort());
  for (const field of FIELDS) expect(all).toMatch(new RegExp(`^${field}:`, 'm'));
  expect(rest).toEqual(agentConfigSchema.parse({}));
  expect({ remote, vmCpus }).toEqual({ remote: REMOTE, vmCpus: '1-3' });
});

test('exuvia-agent(8) has every metric that docs/daemon-behavior.md has, and no other', () => {
  const documented = readFileSync(path.join(ROOT, 'docs/daemon-behavior.md'), 'utf8').matchAll(
    /^\| `(exuvia_\w+)`/gm,
  );
  const listed = read('exuvia-agent.8').matchAll(/^\.B (exuvia_\w+)$/gm);
  expect([...listed].map(([, name]) => name)).toEqual([...documented].map(([, name]) => name));
});

test('what a shipped page links to, or a manual page names, is shipped', () => {
  const files = packageFiles('');
  const shipped = new Set(files.map(({ target }) => `/${target}`));
  const pages = files.filter(({ target }) => target.endsWith('.md'));
  const links = pages.flatMap(({ content }) => [
    ...content.toString().matchAll(/\]\(([\w./-]+)(?:#[\w-]*)?\)/g),
  ]);
  const named = ['exuvia.1', 'exuvia-agent.8', 'agent.yaml.5'].flatMap((page) => [
    ...read(page)
      .replaceAll('\\-', '-')
      .matchAll(/(\/usr\/share\/[\w./-]+\w)/g),
  ]);
  expect([links.length, named.length].every((count) => count > 0)).toBe(true);
  const all = [...links.map(([, page]) => `/usr/share/doc/exuvia/${page}`), ...named.map(([, file]) => file)];
  expect(all.filter((file) => !shipped.has(file ?? ''))).toEqual([]);
});
