import { waitForAgent } from './agent.ts';
import { labRun } from './ssh.ts';
import type { LabState } from './state.ts';

const AGENT_LIMIT_MS = 240_000;

/** Sets a field of the agent's configuration, and waits until an agent serves that goes by it. */
export async function configureAgent(lab: LabState, field: string, value: string): Promise<void> {
  const file = '/etc/exuvia/agent.yaml';
  await labRun(lab, `sed -i '/^${field}:/d; $a ${field}: ${value}' ${file}; systemctl restart exuvia-agent`);
  await waitForAgent(lab, AGENT_LIMIT_MS);
}
