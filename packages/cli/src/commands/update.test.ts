import { FakeHandover, FakeVms, fakeReport, fakeVm, startTestAgent, type TestAgent } from '@exuvia/agent';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../testing/run.ts';

let agent: TestAgent;
beforeEach(async () => {
  const web = fakeVm('web');
  const vms = new FakeVms({ ...web, spec: { ...web.spec, onFailure: 'leave' } }, fakeVm('db'));
  const handover = new FakeHandover('kexec', [
    ['rehearse', null],
    ['quit', 'QEMU shutdown'],
    ['jump', 'kernel shutdown'],
  ]);
  agent = await startTestAgent({ vms, handover });
});
afterEach(() => agent.stop());

const exuvia = (line: string) => run([...line.split(' '), '--socket', agent.socket]);

/** The first update finds out what the checks did not know; the second one goes further, and fails as well. */
function refusedByRehearsal(vm: string): void {
  agent.handover.deeds.set('run rehearse', () => {
    if (agent.handover.checksFound.length > 0) return;
    agent.handover.checksFound = [
      { id: 'vm-rehearsed', subject: vm, verdict: 'fail', reason: 'It does not fit.' },
    ];
    throw new Error(`VM ${vm} does not fit.`);
  });
  agent.handover.deeds.set('run quit', () => {
    throw new Error('Not today.');
  });
}

test('an update that only its rehearsal refuses begins anew without the VM, as its spec says', async () => {
  refusedByRehearsal('web');
  const { status, out, err } = await exuvia('update --kernel 7.2');
  expect(status).toBe(1);
  expect(err).toMatch(
    /by kexec, 2 VMs\.\n[\s\S]*Begun anew without web, as onFailure says\. Step rehearse failed: VM web does not fit\.\n/,
  );
  expect(err).toMatch(/by kexec, 1 VM\.\n[\s\S]*Step quit failed: Not today\.\n$/);
  expect(out).toContain('Step quit failed: Not today.');
  expect(JSON.parse((await exuvia('history --json')).out)).toHaveLength(2);
});

test('it does not where the spec says nothing, or only a plan was given', async () => {
  refusedByRehearsal('db');
  expect((await exuvia('update --kernel 7.2')).out).toContain('VM db does not fit.');
  expect(JSON.parse((await exuvia('history --json')).out)).toHaveLength(1);
  agent.handover.checksFound = [];
  refusedByRehearsal('web');
  const { id } = JSON.parse((await exuvia('plan --kernel 7.2 --json')).out);
  expect((await exuvia(`update --plan ${id}`)).out).toContain('VM web does not fit.');
  expect(JSON.parse((await exuvia('history --json')).out)).toHaveLength(2);
});

test('an update that was aborted on request is not begun anew, whatever a new plan would leave out', async () => {
  agent.handover.deeds.set('run rehearse', async () => {
    agent.handover.checksFound = [
      { id: 'vm-runs', subject: 'web', verdict: 'fail', reason: 'It is paused.' },
    ];
    await exuvia('abort --no-wait');
  });
  expect((await exuvia('update --kernel 7.2')).out).toContain('It was aborted on request.');
  expect(JSON.parse((await exuvia('history --json')).out)).toHaveLength(1);
});

test('a completed update ends with 0 only if every VM is well after it', async () => {
  const handover = new FakeHandover('module', [['switch', 'VM save']]);
  handover.deeds.set('run switch', (context) => context.commit());
  const vms = new FakeVms(fakeVm('web'), fakeVm('db'));
  const here = await startTestAgent({ vms, handover });
  const update = () => run(['update', '--module', 'kvm', '--socket', here.socket]);
  try {
    expect(await update()).toMatchObject({ status: 0, err: expect.not.stringContaining('not every VM') });
    handover.report = (plan) => {
      const vms = fakeReport(plan).vms.map((vm) => ({ ...vm, heartbeatContinued: vm.name !== 'web' }));
      return fakeReport(plan, { vms });
    };
    const { status, err } = await update();
    expect(status).toBe(1);
    expect(err).toContain(
      'The update is completed, but not every VM is well: web runs, but the heart of its guest does not beat any more.\n',
    );
  } finally {
    await here.stop();
  }
});
