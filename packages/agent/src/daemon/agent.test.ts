import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startTestAgent, type TestAgent, type TestAgentOptions } from '../testing/agent.ts';
import { ask } from '../testing/ask.ts';
import { FakeVms, fakeVm } from '../testing/fakes.ts';
import { temporaryFolder } from '../testing/folder.ts';

const agents: TestAgent[] = [];
const start = async (options?: TestAgentOptions) => {
  const agent = await startTestAgent(options);
  agents.push(agent);
  return agent;
};
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
});

let certificates: string;
beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), 'exuvia-test-'));
  for (const authority of ['ours', 'theirs']) {
    await openssl(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /CN=${authority} -keyout ${authority}.key -out ${authority}.crt`,
    );
  }
  await issue('server', 'ours');
  await issue('client', 'ours');
  await issue('stranger', 'theirs');
});

afterAll(() => rm(certificates, { recursive: true }));

async function openssl(args: string): Promise<void> {
  await promisify(execFile)('openssl', args.split(' '), { cwd: certificates });
}

async function issue(name: string, authority: string): Promise<void> {
  await writeFile(join(certificates, 'san'), 'subjectAltName=IP:127.0.0.1\n');
  await openssl(
    `req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`,
  );
  await openssl(
    `x509 -req -in ${name}.csr -CA ${authority}.crt -CAkey ${authority}.key -CAcreateserial -days 2 -extfile san -out ${name}.crt`,
  );
}

const file = (name: string) => join(certificates, name);
const remote = () => ({
  listen: '127.0.0.1:0',
  ca: file('ours.crt'),
  cert: file('server.crt'),
  key: file('server.key'),
});

async function askOverTls(agent: TestAgent, client: string | null, authority = 'ours') {
  const own =
    client === null
      ? {}
      : { cert: await readFile(file(`${client}.crt`)), key: await readFile(file(`${client}.key`)) };
  const [host = '', port = ''] = agent.remote?.split(':') ?? [];
  const ca = await readFile(file(`${authority}.crt`));
  return await ask({ host, port, ca, ...own }, 'GET', '/v1/host');
}

test('only root may open the socket', async () => {
  const { mode } = await stat((await start()).socket);
  expect(mode & 0o777).toBe(0o660);
});

test('a second agent on the same socket is refused, the first one is not disturbed', async () => {
  const first = await start();
  await expect(startTestAgent({ folder: first.folder })).rejects.toMatchObject({
    code: 'agent-running',
    message: `Another agent is running: it answers on ${first.socket}.`,
  });
  expect((await ask(first.socket, 'GET', '/v1/host')).status).toBe(200);
});

test('a socket that a dead agent left behind is replaced', async () => {
  const folder = await temporaryFolder();
  const script = `require('fs').mkdirSync(${JSON.stringify(join(folder, 'run'))});
    require('net').createServer().listen(${JSON.stringify(join(folder, 'run/agent.sock'))}, () => process.kill(process.pid, 'SIGKILL'));`;
  await expect(promisify(execFile)(process.execPath, ['-e', script])).rejects.toMatchObject({
    signal: 'SIGKILL',
  });
  expect((await stat(join(folder, 'run/agent.sock'))).isSocket()).toBe(true);
  const agent = await start({ folder });
  expect((await ask(agent.socket, 'GET', '/v1/host')).status).toBe(200);
});

test('remote access is off unless it is configured', async () => {
  expect((await start()).remote).toBeNull();
});

test('a client with a certificate of the configured authority is let in', async () => {
  expect(await askOverTls(await start({ config: { remote: remote() } }), 'client')).toMatchObject({
    status: 200,
    body: { hostname: 'testhost' },
  });
});

test.each([
  ['no certificate', null],
  ['a certificate of another authority', 'stranger'],
])('a client with %s is turned away in the handshake', async (_, client) => {
  const agent = await start({ config: { remote: remote() } });
  const refused = await askOverTls(agent, client).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: expect.stringMatching(/^(ERR_SSL_TLSV1.*|ECONNRESET|EPIPE)$/) });
  expect(agent.logged).not.toContain('request');
  expect((await askOverTls(agent, 'client')).status).toBe(200);
});

test('a connection on which nothing is ever said does not keep the agent from ending', async () => {
  const agent = await start({ config: { remote: remote() } });
  const [host, port] = agent.remote?.split(':') ?? [];
  const silent = connectTcp({ host: host ?? '', port: Number(port) });
  await once(silent, 'connect');
  const ended = once(silent, 'close');
  await agent.stop();
  await ended;
});

test('a client notices an agent with a certificate of another authority', async () => {
  const agent = await start({ config: { remote: remote() } });
  await expect(askOverTls(agent, 'client', 'theirs')).rejects.toMatchObject({
    code: 'SELF_SIGNED_CERT_IN_CHAIN',
  });
});

test('remote access that cannot be opened keeps nothing else from working, and the doctor says so', async () => {
  const agent = await start({ config: { remote: { ...remote(), key: file('none.key') } } });
  expect(agent.remote).toBeNull();
  const { body } = await ask(agent.socket, 'GET', '/v1/doctor');
  expect(body).toMatchObject({
    checks: expect.arrayContaining([
      {
        id: 'remote-access',
        subject: 'host',
        verdict: 'warn',
        reason: `Remote access on 127.0.0.1:0 could not be opened: ENOENT: no such file or directory, open '${file('none.key')}'`,
        remedy: 'Mend `remote` in /etc/exuvia/agent.yaml; `exuvia cert init DIR` makes certificates.',
      },
    ]),
    handovers: [{ possible: true }],
  });
});

test('a port that is taken is said', async () => {
  const other = createServer();
  const listening = Promise.withResolvers<void>();
  other.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;
  const address = other.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const agent = await start({ config: { remote: { ...remote(), listen: `127.0.0.1:${port}` } } });
  expect(agent.logged).toContain(
    `Remote access on 127.0.0.1:${port} could not be opened: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  );
  other.close();
});

test('a reload opens and closes remote access', async () => {
  const agent = await start();
  const { agentConfigSchema } = await import('@exuvia/contract');
  await agent.reload(agentConfigSchema.parse({ remote: remote() }));
  expect((await askOverTls(agent, 'client')).status).toBe(200);
  await agent.reload(agentConfigSchema.parse({}));
  expect(agent.remote).toBeNull();
});

test('a reload takes other certificates, and ends no connection unless it is another authority', async () => {
  const { agentConfigSchema } = await import('@exuvia/contract');
  const agent = await start({ config: { remote: remote() } });
  const address = agent.remote;
  const socket = await connectOverTls(agent);
  await agent.reload(
    agentConfigSchema.parse({ remote: { ...remote(), cert: file('client.crt'), key: file('client.key') } }),
  );
  expect(agent.remote).toBe(address);
  expect((await connectOverTls(agent)).getPeerCertificate().subject.CN).toBe('client');
  expect(socket.closed).toBe(false);

  await agent.reload(agentConfigSchema.parse({ remote: { ...remote(), key: file('none.key') } }));
  expect(agent.logged.at(-1)).toContain('keeps the certificates that it had: ENOENT');
  expect((await askOverTls(agent, 'client')).status).toBe(200);

  const ended = once(socket, 'close');
  await agent.reload(agentConfigSchema.parse({ remote: { ...remote(), ca: file('theirs.crt') } }));
  await ended;
  await expect(askOverTls(agent, 'client')).rejects.toThrow();
});

/** A connection on which one answer has come, and which stays open. */
async function connectOverTls(agent: TestAgent): Promise<TLSSocket> {
  const [host = '', port = ''] = agent.remote?.split(':') ?? [];
  const [ca, cert, key] = await Promise.all(
    ['ours.crt', 'client.crt', 'client.key'].map((name) => readFile(file(name))),
  );
  const socket = connect({ host, port: Number(port), ca, cert, key } as ConnectionOptions);
  socket.on('error', () => {});
  socket.write('GET /v1/host HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
  return socket;
}

test('an agent with a damaged journal serves VMs, refuses updates and writes nothing', async () => {
  const first = await start();
  await first.stop();
  agents.pop();
  const damaged = '{"v":7,"kind":"begin"}\n';
  await writeFile(first.paths.journal, damaged);
  const auto = fakeVm('auto', { state: 'stopped' });
  const vms = new FakeVms(fakeVm('web'), { ...auto, spec: { ...auto.spec, autostart: true } });
  const agent = await start({ folder: first.folder, vms, host: { bootId: 'boot-2' } });
  expect((await ask(agent.socket, 'POST', '/v1/vms/web/stop')).status).toBe(200);
  const refusal = `${first.paths.journal}, line 1 is a record of version 7; this agent knows version 1.`;
  expect(await ask(agent.socket, 'POST', '/v1/updates', { kernel: '7.2' })).toMatchObject({
    status: 409,
    body: { error: { code: 'journal-invalid', message: refusal } },
  });
  expect((await ask(agent.socket, 'GET', '/v1/doctor')).body).toMatchObject({
    checks: expect.arrayContaining([
      expect.objectContaining({ id: 'journal', verdict: 'fail', reason: refusal }),
    ]),
    handovers: [{ handover: 'kexec', possible: false, reasons: [refusal] }],
  });
  expect((await ask(agent.socket, 'POST', '/v1/plans', { kernel: '7.2' })).body).toMatchObject({
    executable: false,
  });
  expect(agent.store.kept).toBeNull();
  expect(await readFile(first.paths.journal, 'utf8')).toBe(damaged);
});

test('VMs that are to start by themselves start once a boot, by priority', async () => {
  const make = (name: string, priority: number) => {
    const vm = fakeVm(name, { state: 'stopped' });
    return { ...vm, spec: { ...vm.spec, autostart: true, priority } };
  };
  const vms = () => new FakeVms(make('late', 200), make('early', 1), fakeVm('manual', { state: 'stopped' }));
  const first = await start({ vms: vms() });
  expect(first.vms.events).toEqual(['start early', 'start late']);
  await first.stop();
  agents.pop();
  const again = await start({ folder: first.folder, vms: vms() });
  expect(again.vms.events).toEqual([]);
  await again.stop();
  agents.pop();
  const nextBoot = await start({ folder: first.folder, vms: vms(), host: { bootId: 'boot-2' } });
  expect(nextBoot.vms.events).toEqual(['start early', 'start late']);
});

test('in a crash loop no VM starts by itself', async () => {
  const vm = fakeVm('auto', { state: 'stopped' });
  const vms = new FakeVms({ ...vm, spec: { ...vm.spec, autostart: true } });
  const agent = await start({ vms, crashLoop: true });
  expect(agent.vms.events).toEqual([]);
});

test('a request that changes something waits until what was left has been dealt with; others do not', async () => {
  const adopted = Promise.withResolvers<void>();
  class SlowVms extends FakeVms {
    override async adopt() {
      await adopted.promise;
      this.events.push('adopted');
      return super.adopt();
    }
  }
  const agent = await start({ vms: new SlowVms(fakeVm('web')), waitUntilReady: false });
  const stopping = ask(agent.socket, 'POST', '/v1/vms/web/stop');
  expect(await ask(agent.socket, 'GET', '/v1/vms')).toMatchObject({ body: [{ state: 'running' }] });
  expect(agent.vms.events).toEqual([]);
  adopted.resolve();
  expect((await stopping).status).toBe(200);
  expect(agent.vms.events).toEqual(['adopted', 'stop web 60000']);
});

test('in the first agent of a boot the memory of VMs that do not run is scrubbed, later on only that of no VM', async () => {
  const first = await start();
  expect(first.store.kept).toEqual(['web']);
  await first.stop();
  agents.pop();
  expect((await start({ folder: first.folder })).store.kept).toEqual(['db', 'web']);
});
