import { agentConfigSchema, ExuviaError } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { fakeVm } from '../testing/fakes.ts';
import { configCheck, specChecks, withChecks } from './checks.ts';

test('a damaged spec fails for a VM that runs, and warns for one that does not', () => {
  const problem = new ExuviaError('spec-invalid', 'It is damaged.', { hint: 'Mend it.' });
  const problems = new Map([
    ['web', problem],
    ['db', problem],
    ['gone', problem],
  ]);
  const found = specChecks(problems, [fakeVm('web'), fakeVm('db', { state: 'stopped' })]);
  expect(found).toEqual([
    { id: 'spec', subject: 'web', verdict: 'fail', reason: 'It is damaged.', remedy: 'Mend it.' },
    { id: 'spec', subject: 'db', verdict: 'warn', reason: 'It is damaged.', remedy: 'Mend it.' },
    { id: 'spec', subject: 'gone', verdict: 'warn', reason: 'It is damaged.', remedy: 'Mend it.' },
  ]);
  const doctor = {
    checks: [],
    handovers: [{ handover: 'kexec' as const, possible: true, reasons: ['Other.'] }],
  };
  expect(withChecks(doctor, found).handovers).toEqual([
    { handover: 'kexec', possible: false, reasons: ['VM web: It is damaged.', 'Other.'] },
  ]);
});

test('a configuration with which no agent would start stops every update; one that is not in force is said', () => {
  const inForce = agentConfigSchema.parse({});
  expect(configCheck(inForce, agentConfigSchema.parse({}))).toMatchObject({ verdict: 'ok' });
  expect(configCheck(inForce, agentConfigSchema.parse({ vmCpus: '1-2' }))).toMatchObject({
    verdict: 'warn',
    remedy: 'systemctl reload exuvia-agent',
  });
  const error = new ExuviaError('config-invalid', 'agent.yaml: line 3.', { hint: 'Mend it.' });
  expect(configCheck(inForce, error)).toEqual({
    id: 'agent-config',
    subject: 'host',
    verdict: 'fail',
    reason: 'No agent would start: agent.yaml: line 3.',
    remedy: 'Mend it.',
  });
});
