import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import {
  FakeVms,
  fakeVm,
  startTestAgent,
  type TestAgent,
  type TestAgentOptions,
  temporaryFolder,
} from '@exuvia/agent';
import { VERSION } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Result, type RunOptions, run } from './testing/run.ts';

let agent: TestAgent;
let folder: string;
beforeEach(async () => {
  agent = await startTestAgent();
  folder = await temporaryFolder();
});
afterEach(() => agent.stop());

const exuvia = (line: string, options?: RunOptions): Promise<Result> =>
  run([...line.split(' '), '--socket', agent.socket], options);
const json = async (line: string) => JSON.parse((await exuvia(`${line} --json`)).out);
const failing = (step: string) =>
  agent.handover.deeds.set(`run ${step}`, () => {
    throw new Error('Not today.');
  });
async function restart(options: TestAgentOptions): Promise<void> {
  await agent.stop();
  agent = await startTestAgent(options);
}

const SPEC = 'name: new\nmemory: 128M\nboot: {kernel: /boot/guest}\n';

test('a VM is created from a file, listed, shown, stopped and destroyed', async () => {
  const file = join(folder, 'new.yaml');
  await writeFile(file, SPEC);
  expect(await exuvia(`vm create ${file}`)).toEqual({ status: 0, out: 'VM new is created.\n', err: '' });
  expect((await exuvia('vm start new')).out).toBe('VM new is running.\n');
  const { out } = await exuvia('vm list');
  expect(out).toMatch(/^name +state +vCPUs +memory +started\n/);
  expect(out).toMatch(/\nnew +running +1 +128M +2026/);
  expect((await exuvia('vm show new')).out).toMatch(/^name +new\nstate +running\n/);
  expect(await json('vm show new')).toMatchObject({ name: 'new', spec: { memory: '128M' } });
  expect((await exuvia('vm stop new --timeout 2')).out).toBe('VM new is stopped.\n');
  expect(agent.vms.events).toEqual(['start new', 'stop new 2000']);
  expect((await exuvia('vm destroy new')).out).toBe('VM new is gone, its memory overwritten.\n');
  expect((await json('vm list')).map((vm: { name: string }) => vm.name)).toEqual(['web', 'db']);
});

test('a spec is read from standard input, and the VM started at once', async () => {
  const stdin = new PassThrough();
  stdin.end(SPEC);
  expect((await exuvia('vm create - --start', { stdin })).out).toBe('VM new is created and running.\n');
});

test('a VM that cannot be started at once is not created either', async () => {
  const stdin = new PassThrough();
  stdin.end(SPEC);
  agent.vms.unstartable.add('new');
  expect(await exuvia('vm create - --start', { stdin })).toEqual({
    status: 3,
    out: '',
    err: 'exuvia: The store is full.\n',
  });
  expect(agent.vms.table.has('new')).toBe(false);
});

test('a VM that stands still is let run on', async () => {
  agent.vms.pause('web');
  expect((await exuvia('vm resume web')).out).toBe('VM web is running.\n');
  expect(agent.vms.events).toEqual(['resume web']);
  expect((await exuvia('vm resume nothing')).status).toBe(3);
});

test('VMs whose state is kept are recovered, one that has none is refused with status 3', async () => {
  expect(await exuvia('recover')).toEqual({
    status: 0,
    out: 'No saved state is kept: there is nothing to recover.\n',
    err: '',
  });
  await restart({
    vms: new FakeVms(
      fakeVm('web', { state: 'failed', saved: true }),
      fakeVm('db', { state: 'failed', saved: true }),
    ),
  });
  expect(await exuvia('recover web')).toEqual({
    status: 0,
    out: 'VM web runs on from where it was saved.\n',
    err: '',
  });
  expect(await json('recover')).toEqual({
    vms: [{ name: 'db', recovered: true, refused: false, error: null }],
  });
  expect(await exuvia('recover web nothing')).toEqual({
    status: 3,
    out: 'VM web is not recovered: No state of VM web is kept.\nVM nothing is not recovered: There is no VM nothing.\n',
    err: '',
  });
});

test('one VM that is recovered and one that is not are a failure, no refusal', async () => {
  await restart({ vms: new FakeVms(fakeVm('web', { state: 'failed', saved: true })) });
  expect((await exuvia('recover web nothing')).status).toBe(1);
});

test('a host without VMs says how to make one', async () => {
  await restart({ vms: new FakeVms() });
  expect((await exuvia('vm list')).out).toBe('No VMs. Create one: exuvia vm create FILE\n');
  expect(await json('vm list')).toEqual([]);
});

test('a wrong spec is refused with file and field, before any agent is asked', async () => {
  const file = join(folder, 'bad.yaml');
  await writeFile(file, 'name: Bad\nmemory: 128M\nboot: {kernel: /k}\n');
  expect(await exuvia(`vm create ${file}`)).toEqual({
    status: 3,
    out: '',
    err: `exuvia: ${file}: name must be 1 to 31 lower-case letters, digits and hyphens, starting with a letter.\n        See \`exuvia vm schema\` for the fields of a VM spec.\n`,
  });
  expect((await exuvia(`vm create ${file}.none`)).status).toBe(3);
});

test('the schema of a spec is JSON Schema, printed by the real program', async () => {
  const program = [join(import.meta.dirname, 'main.ts'), 'vm', 'schema'];
  const { stdout } = await promisify(execFile)(process.execPath, program);
  expect(JSON.parse(stdout)).toMatchObject({
    type: 'object',
    required: ['name', 'memory', 'boot'],
  });
});

test.each([
  ['a refusal of the agent', 'vm show nothing', 3, 'exuvia: There is no VM nothing.\n'],
  [
    'a size that is none',
    'setup --memory much',
    3,
    /^exuvia: The request is not valid: memory must be a whole number/,
  ],
  ['neither size nor undo', 'setup', 2, /^exuvia: Give either --memory SIZE or --undo\./],
  ['both size and undo', 'setup --memory 1G --undo', 2, /^exuvia: Give either --memory SIZE or --undo\./],
  [
    'a time that is none',
    'vm stop web --timeout soon',
    2,
    "exuvia: --timeout 'soon' is not a number of seconds from 0 to 3600.\n",
  ],
  [
    'no kernel and no plan',
    'update',
    2,
    /^exuvia: Give either --plan ID, or --all, --kernel, --qemu or --module\./,
  ],
  [
    'a fault that is none',
    'update --kernel 7.2 --fault load:dance',
    2,
    /^exuvia: --fault load:dance is not STEP:hold\|fail\|kill/,
  ],
  ['a missing argument', 'vm show', 2, /^error: missing required argument 'name'\n/],
  ['an unknown option', 'doctor --deep', 2, /^error: unknown option '--deep'\n/],
  ['an unknown command', 'dance', 2, /^error: unknown command 'dance'\n/],
  [
    'an unknown handover',
    'plan --kernel 7.2 --handover magic',
    2,
    /^error: option '--handover <kind>' argument 'magic' is invalid/,
  ],
  ['no update to report', 'report', 3, /^exuvia: This host has never been updated by Exuvia\.\n/],
  ['no update to abort', 'abort', 3, 'exuvia: No update is running.\n        See `exuvia history`.\n'],
  ['an unknown shell', 'completion fish', 2, 'exuvia: No completion for fish: bash or zsh.\n'],
  [
    'a remote host without certificates',
    'vm list --host https://h:1',
    2,
    /^exuvia: --host needs --ca, --cert and --key\./,
  ],
  [
    'a remote console',
    'vm console web --host https://h:1',
    3,
    /^exuvia: A VM's console can be reached on its host only\./,
  ],
  ['an unknown kernel', 'plan --kernel 9.9', 3, /^exuvia: No kernel 9\.9 is installed on this host\./],
])('exit status of %s', async (_, line, status, message) => {
  const result = await exuvia(line);
  expect(result).toMatchObject({ status, out: '' });
  if (typeof message === 'string') expect(result.err).toBe(message);
  else expect(result.err).toMatch(message);
});

test('without an agent the exit status is 4, and --json says why', async () => {
  const { status, out } = await run(['status', '--json', '--socket', `${folder}/none`]);
  expect(status).toBe(4);
  expect(JSON.parse(out)).toMatchObject({ error: { code: 'agent-unreachable' } });
});

test('setup says what was changed', async () => {
  expect((await exuvia('setup --memory 2G')).out).toBe(
    'Reboot now.\n  changed: /etc/default/grub.d/exuvia.cfg\n',
  );
  expect((await json('setup --undo')).state).toBe('undone');
});

test('the doctor passes, and fails with status 3', async () => {
  const { status, out } = await exuvia('doctor');
  expect(status).toBe(0);
  expect(out).toContain('KVM works.');
  await agent.stop();
  await writeFile(agent.paths.journal, 'nonsense\n');
  agent = await startTestAgent({ folder: agent.folder });
  expect((await exuvia('doctor')).status).toBe(3);
});

test('a plan is shown; one that cannot be executed has status 3', async () => {
  const { status, out } = await exuvia('plan --kernel 7.2');
  expect(status).toBe(0);
  expect(out).toContain('7.2.12+deb13-amd64');
  expect(out).toContain('stop-services');
  agent.handover.checksFound = [
    { id: 'store', subject: 'host', verdict: 'fail', reason: 'There is no store.' },
  ];
  const refused = await exuvia('plan --kernel 7.2');
  expect(refused.status).toBe(3);
  expect(refused.out).toContain('There is no store.');
  const update = await exuvia('update --kernel 7.2');
  expect(update).toMatchObject({ status: 3, err: '' });
  expect(update.out).toContain('There is no store.');
  expect(agent.handover.events).toEqual([]);
});

test('an update that fails before its jump shows its steps, then its report, and has status 1', async () => {
  failing('quit');
  const { status, out, err } = await exuvia('update --kernel 7.2');
  expect(status).toBe(1);
  expect(err).toMatch(
    /^Update \S+: kernel 6\.12\.107\+deb13-amd64 -> 7\.2\.12\+deb13-amd64 by kexec, 1 VM\.\nThis command ends with the jump, as everything on this host but its VMs; afterwards: exuvia report\n/,
  );
  expect(err).toMatch(/\n {2}\+ load +\S+ m?s\n/);
  expect(err).toMatch(/\n {2}x quit +\S+ m?s {2}\[QEMU shutdown\]\n/);
  expect(err).toMatch(/\n {2}- save +\S+ m?s {2}\[VM suspend\]\n/);
  expect(err).toMatch(/\n {4}The update is aborted: Step quit failed: Not today\.\n$/);
  expect(out).toContain('Step quit failed: Not today.');
  expect((await exuvia('history')).out).toMatch(
    /aborted +kexec +6\.12\.107\+deb13-amd64 -> 7\.2\.12\+deb13-amd64 +Step quit failed: Not today\.\n/,
  );
  expect(await json('report')).toMatchObject({ outcome: 'aborted' });
  expect((await exuvia('report')).out).toBe(out);
});

test('with --json an update prints its report alone', async () => {
  failing('load');
  const { out, err } = await exuvia('update --kernel 7.2 --json');
  expect(JSON.parse(out)).toMatchObject({ outcome: 'aborted', reason: 'Step load failed: Not today.' });
  expect(err).not.toContain('load');
});

test('a plan made before is executed', async () => {
  failing('load');
  const { id } = await json('plan --kernel 7.2');
  expect((await exuvia(`update --plan ${id}`)).err).toContain(`Update ${id}: `);
});

test('the jump breaks the connection of a local command, which says so', async () => {
  const jumping = exuvia('update --kernel 7.2', {
    onOutput: (printed) => {
      if (printed.includes('jumping\n')) void agent.stop();
    },
  });
  const { status, err } = await jumping;
  expect(status).toBe(4);
  expect(err).toContain('The connection is gone: the host is jumping.\n');
  expect(err).toContain(`exuvia: The agent at ${agent.socket} cannot be reached: `);
  agent = await startTestAgent({ folder: agent.folder });
});

test('an update that is held is shown, and aborted by another command', async () => {
  const begun = await json('update --kernel 7.2 --no-wait --fault save:hold:after');
  const { out } = await exuvia('status');
  expect(out).toContain(`\nUpdate ${begun.id} (kexec, 6.12.107+deb13-amd64 -> 7.2.12+deb13-amd64) is `);
  const aborted = await exuvia('abort');
  expect(aborted).toMatchObject({
    status: 0,
    out: `Update ${begun.id} is aborted: It was aborted on request.\n`,
  });
  expect((await exuvia('status')).out).toContain('update   none\n');
});

test('a held update goes on', async () => {
  const { id } = await json('update --kernel 7.2 --no-wait --fault load:hold:before');
  while ((await exuvia('continue')).status !== 0) await new Promise(setImmediate);
  while ((await json('status')).update.state !== 'jumping') await new Promise(setImmediate);
  expect((await exuvia(`abort ${id}`)).err).toBe(
    `exuvia: Update ${id} is jumping: it is past its point of no return.\n`,
  );
});

test('a report is written as a page', async () => {
  failing('load');
  await exuvia('update --kernel 7.2');
  const page = join(folder, 'report.html');
  expect(await exuvia(`report --html ${page}`)).toEqual({
    status: 0,
    out: '',
    err: `The report is in ${page}.\n`,
  });
  expect(await readFile(page, 'utf8')).toMatch(/^<!doctype html>/i);
});

test('an update over TLS is followed through the jump to its report', async () => {
  const tls = join(folder, 'tls');
  expect((await run(['cert', 'init', tls, '--name', '127.0.0.1'])).status).toBe(0);
  const remote = {
    listen: '127.0.0.1:0',
    ca: `${tls}/ca.crt`,
    cert: `${tls}/server.crt`,
    key: `${tls}/server.key`,
  };
  await restart({ config: { remote } });
  const listen = agent.remote ?? '';
  const own = [
    '--host',
    `https://${listen}`,
    '--ca',
    `${tls}/ca.crt`,
    '--cert',
    `${tls}/client.crt`,
    '--key',
    `${tls}/client.key`,
  ];
  let jumped: Promise<void> | null = null;
  const jump = async () => {
    const { appendFile } = await import('node:fs/promises');
    const update = (await readFile(agent.paths.journal, 'utf8')).match(/"update":"([^"]+)"/)?.[1];
    const commit = { v: 1, kind: 'commit', at: new Date(0).toISOString(), bootId: 'boot-1', update };
    await appendFile(agent.paths.journal, `${JSON.stringify(commit)}\n`);
    await agent.stop();
    agent = await startTestAgent({
      folder: agent.folder,
      config: { remote: { ...remote, listen } },
      host: { bootId: 'boot-2', kernel: '7.2.12+deb13-amd64' },
    });
  };
  const { status, out, err } = await run(['update', '--kernel', '7.2', ...own], {
    onOutput: (printed) => {
      if (printed.includes('jumping\n')) jumped ??= jump();
    },
  });
  await jumped;
  expect(err).toContain('This connection breaks with the jump and is made anew on the other side.\n');
  expect(err).toContain('The connection is gone: the host has jumped. Waiting for its new side.\n');
  expect(status).toBe(0);
  expect(out).toContain('kernel startup');
  const stranger = await run(['cert', 'init', join(folder, 'other')]);
  expect(stranger.status).toBe(0);
  const refused = await run([
    'status',
    ...own.slice(0, 4),
    '--cert',
    `${folder}/other/client.crt`,
    '--key',
    `${folder}/other/client.key`,
  ]);
  expect(refused).toMatchObject({ status: 4, out: '' });
});

test('certificates are never overwritten, and wrong names refused', async () => {
  const tls = join(folder, 'tls');
  expect((await run(['cert', 'init', tls, '--json'])).out).toBe(
    `${JSON.stringify({ ca: `${tls}/ca.crt`, server: `${tls}/server.crt`, client: `${tls}/client.crt` })}\n`,
  );
  const { stdout } = await promisify(execFile)('openssl', [
    'x509',
    '-in',
    `${tls}/server.crt`,
    '-noout',
    '-ext',
    'subjectAltName',
  ]);
  expect(stdout).toContain('DNS:localhost, IP Address:127.0.0.1');
  expect(await run(['cert', 'init', tls])).toMatchObject({
    status: 3,
    err: `exuvia: ${tls}/ca.key exists already.\n        Choose another directory, or remove the old authority.\n`,
  });
  expect((await run(['cert', 'init', tls, '--name', 'a b'])).err).toBe(
    'exuvia: --name a b is neither a host name nor an address.\n',
  );
});

test('colour is used when it is wanted and never otherwise', async () => {
  const colour = '\x1b[';
  expect((await exuvia('doctor', { color: true })).out).toContain(colour);
  expect((await exuvia('doctor')).out).not.toContain(colour);
});

test('every command has help with its usage; the program names its exit statuses', async () => {
  expect((await run(['--help'])).out).toContain(
    'Exit status: 0 done, 1 failed or a VM is not well after the update, 2 wrong usage, 3 refused or a check failed,\n4 no agent or VM monitor reached, 130 interrupted.',
  );
  for (const command of [
    'vm',
    'vm create',
    'setup',
    'plan',
    'update',
    'report',
    'abort',
    'cert init',
    'completion',
  ]) {
    const { status, out } = await run([...command.split(' '), '--help']);
    expect(status).toBe(0);
    expect(out).toMatch(new RegExp(`^Usage: exuvia ${command} `));
    expect(out).not.toContain('--fault');
  }
});

test('the version is that of every package', async () => {
  expect(await run(['--version'])).toEqual({ status: 0, out: `${VERSION}\n`, err: '' });
});
