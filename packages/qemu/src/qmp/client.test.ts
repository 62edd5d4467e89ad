import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startCommandLine } from '../command-line/build.ts';
import { findQemu, makeTestRoom, type TestRoom } from '../testing/index.ts';
import { QmpClient } from './client.ts';
import { queryStatus } from './queries.ts';

const qemu = await findQemu();
if ('missing' in qemu) console.warn(`QMP is not tested against QEMU: ${qemu.missing}`);

describe.skipIf('missing' in qemu)('against a real QEMU', () => {
  let room: TestRoom;
  let client: QmpClient;
  beforeEach(async () => {
    room = await makeTestRoom('qmp');
    const binary = 'binary' in qemu ? qemu.binary : '';
    room.spawn(startCommandLine(room.spec, room.paths, { binary, accelerator: 'tcg' }));
    client = await room.connect();
  });
  afterEach(async () => {
    client.close();
    await room.remove();
  });

  test('the connection is ready after the greeting, and knows which QEMU it is', () => {
    expect(client.state).toMatchObject({
      kind: 'ready',
      greeting: { version: { qemu: { major: expect.any(Number) } } },
    });
  });

  test('answers belong to their questions, also when more are asked than QEMU takes at once', async () => {
    const questions = Array.from({ length: 50 }, (_, index) =>
      index % 2 === 0 ? client.execute('query-name') : client.execute('query-status'),
    );
    const answers = await Promise.all(questions);
    expect(answers).toEqual(
      answers.map((_, index) => (index % 2 === 0 ? { name: 'qmp' } : { running: true, status: 'running' })),
    );
  });

  test('a refused command is an error that names it and gives the reason, and the connection goes on', async () => {
    await expect(client.execute('migrate-incoming', { uri: 'file:/none' })).rejects.toMatchObject({
      code: 'qmp-command-failed',
      command: 'migrate-incoming',
      qemuClass: 'GenericError',
      message: "QEMU refused migrate-incoming: '-incoming' was not specified on the command line",
    });
    expect(await queryStatus(client)).toEqual({ running: true, status: 'running' });
  });

  test('events arrive in order, as they happen, from the moment they are asked for', async () => {
    const events = client.events();
    const heard: string[] = [];
    const stop = client.onEvent(({ name }) => heard.push(name));
    await client.execute('stop');
    await client.execute('cont');
    stop();
    await client.execute('quit');
    const seen: string[] = [];
    for await (const { name } of events) seen.push(name);
    expect(seen).toEqual(['STOP', 'RESUME', 'SHUTDOWN']);
    expect(heard).toEqual(['STOP', 'RESUME']);
  });

  test('waiting for events ends when it is aborted', async () => {
    const controller = new AbortController();
    const next = client.events(controller.signal).next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('quit succeeds, and the end of the connection afterwards is no failure', async () => {
    await client.execute('quit');
    expect(await client.closed).toEqual({ kind: 'quit' });
    await expect(client.execute('query-status')).rejects.toMatchObject({
      code: 'qmp-closed',
      message: `${room.paths.qmp}: QEMU has been ended; query-status was not executed.`,
    });
  });

  test('a QEMU that is killed fails what is under way', async () => {
    const pid = Number(readFileSync(room.paths.pidFile, 'utf8'));
    process.kill(pid, 'SIGSTOP');
    const asked = client.execute('query-status');
    process.kill(pid, 'SIGKILL');
    await expect(asked).rejects.toMatchObject({
      code: 'qmp-closed',
      message: `${room.paths.qmp}: there is no QEMU, or it ended, before query-status was answered.`,
    });
    expect((await client.closed).kind).toBe('ended');
  });

  test('a second client of the same monitor is told in time that nobody answers it', async () => {
    await expect(QmpClient.connect(room.paths.qmp, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'qmp-timeout',
      message: `${room.paths.qmp} sent no QMP greeting within 50 ms.`,
    });
    client.close();
    const next = await QmpClient.connect(room.paths.qmp);
    expect((await queryStatus(next)).running).toBe(true);
    next.close();
  });

  test('a command that is not answered in time fails; its late answer disturbs nothing', async () => {
    const pid = Number(readFileSync(room.paths.pidFile, 'utf8'));
    process.kill(pid, 'SIGSTOP');
    await expect(client.execute('query-name', {}, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'qmp-timeout',
      message: `${room.paths.qmp} did not answer query-name within 50 ms.`,
    });
    process.kill(pid, 'SIGCONT');
    expect(await queryStatus(client)).toEqual({ running: true, status: 'running' });
  });
});

/** No real QEMU sends what these tests need, so a server of our own stands for it. */
describe('against something that is no proper QEMU', () => {
  const GREETING =
    '{"QMP":{"version":{"qemu":{"major":10,"minor":0,"micro":0},"package":""},"capabilities":[],"new":1}}\r\n';
  let directory: string;
  let server: Server;
  let path: string;
  let sockets: Socket[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-qmp-'));
    path = join(directory, 's');
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server?.close();
    await rm(directory, { recursive: true });
  });

  /** Greets, then answers each command line with what `answer` returns. */
  async function serve(greeting: string, answer: (line: string, socket: Socket) => string): Promise<void> {
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.write(greeting);
      socket.on('data', (data) => {
        for (const line of data.toString().split('\r\n').filter(Boolean)) socket.write(answer(line, socket));
      });
    });
    server.listen(path);
    await once(server, 'listening');
  }

  const ok = (line: string) => `{"return":{},"id":"${(JSON.parse(line) as { id: string }).id}"}\r\n`;
  const capabilitiesThen = (rest: string) => (line: string) =>
    line.includes('qmp_capabilities') ? ok(line) : rest;

  test('garbage instead of a greeting is said to be garbage', async () => {
    await serve('SSH-2.0-OpenSSH_10\u0007\r\n', ok);
    await expect(QmpClient.connect(path)).rejects.toMatchObject({
      code: 'qmp-protocol',
      message: 'The monitor sent a line that is not JSON: SSH-2.0-OpenSSH_10.',
    });
  });

  test('JSON that is no QMP message is refused', async () => {
    await serve('[1]\r\n', ok);
    await expect(QmpClient.connect(path)).rejects.toMatchObject({
      code: 'qmp-protocol',
      message: 'The monitor sent a line that is no QMP message: [1]',
    });
  });

  test('garbage later on fails what is under way and closes the connection', async () => {
    await serve(GREETING, capabilitiesThen('}{\r\n'));
    const client = await QmpClient.connect(path);
    await expect(client.execute('query-status')).rejects.toMatchObject({
      code: 'qmp-protocol',
      message: 'The monitor sent a line that is not JSON: }{',
    });
    expect((await client.closed).kind).toBe('failed');
  });

  test('a line longer than the limit is refused without being kept', async () => {
    await serve(GREETING, capabilitiesThen('x'.repeat(2000)));
    const client = await QmpClient.connect(path, { maxLineCharacters: 1000 });
    await expect(client.execute('query-status')).rejects.toMatchObject({
      code: 'qmp-protocol',
      message: 'The monitor sent a line of more than 1000 characters.',
    });
  });

  test('an error without an id belongs to the oldest command', async () => {
    await serve(GREETING, capabilitiesThen('{"error":{"class":"GenericError","desc":"too early"}}\r\n'));
    const client = await QmpClient.connect(path);
    await expect(client.execute('query-status')).rejects.toMatchObject({
      message: 'QEMU refused query-status: too early',
    });
    client.close();
  });

  test('an unknown id and unknown members are passed over', async () => {
    await serve(GREETING, (line) => `{"return":{},"id":"77"}\r\n${ok(line).replace('{"r', '{"more":[],"r')}`);
    const client = await QmpClient.connect(path);
    expect(await client.execute('query-name')).toEqual({});
    client.close();
  });

  test('no more than 8 commands are under way at a time', async () => {
    const unanswered: string[] = [];
    await serve(GREETING, (line) => {
      if (line.includes('qmp_capabilities')) return ok(line);
      unanswered.push(line);
      return '';
    });
    const client = await QmpClient.connect(path);
    const all = Array.from({ length: 20 }, () => client.execute('query-name'));
    const most: number[] = [];
    for (let answered = 0; answered < 20; ) {
      await expect.poll(() => unanswered.length).toBe(Math.min(8, 20 - answered));
      most.push(unanswered.length);
      answered += unanswered.length;
      sockets[0]?.write(unanswered.splice(0).map(ok).join(''));
    }
    await Promise.all(all);
    expect(most).toEqual([8, 8, 4]);
    client.close();
  });

  test('a second greeting is an illegal transition', async () => {
    await serve(GREETING + GREETING, ok);
    await expect(QmpClient.connect(path)).rejects.toMatchObject({
      code: 'qmp-illegal-transition',
      message: 'A QMP connection cannot go from negotiating to negotiating.',
    });
  });

  test('a reply of the wrong shape is refused where it is read', async () => {
    await serve(GREETING, ok);
    const client = await QmpClient.connect(path);
    await expect(queryStatus(client)).rejects.toMatchObject({
      code: 'qmp-protocol',
      message: "QEMU's answer to query-status has not the expected shape.",
    });
    client.close();
  });

  test('a socket that nobody listens on is said to have no QEMU', async () => {
    await expect(QmpClient.connect(path)).rejects.toMatchObject({
      code: 'qmp-closed',
      message: `${path}: there is no QEMU, or it ended, before the greeting was answered.`,
    });
  });

  test('a command before the greeting is an illegal transition', async () => {
    await serve('', ok);
    const client = new QmpClient(createConnection(path), path);
    await expect(client.execute('query-status')).rejects.toMatchObject({
      code: 'qmp-illegal-transition',
      message: 'A QMP connection cannot go from connecting to executing.',
    });
    client.close();
    expect(await client.closed).toEqual({ kind: 'closed-by-us' });
  });
});
