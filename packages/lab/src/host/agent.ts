import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '@exuvia/client';
import { ExuviaError, type Host } from '@exuvia/contract';
import { patiently } from '../support/patience.ts';
import { waitUntil } from './machine.ts';
import type { LabState } from './state.ts';

const ATTEMPT_MS = 6000;

/** A client of the lab host's agent, over TLS with the lab's certificate. */
export async function agentClient(state: LabState): Promise<Client> {
  const ca = await readFile(state.ca);
  const cert = await readFile(state.clientCert);
  const key = await readFile(state.clientKey);
  return createClient({ url: `https://127.0.0.1:${state.agentPort}`, ca, cert, key });
}

/**
 * Asks the agent on a connection of its own, and gives up after some seconds: while a host is between two
 * kernels, its connections neither answer nor end.
 */
export async function askAgent<T>(
  state: LabState,
  question: (client: Client) => Promise<T>,
  limitMs = ATTEMPT_MS,
): Promise<T> {
  const client = await agentClient(state);
  try {
    const limit = limitMs === ATTEMPT_MS ? limitMs : patiently(limitMs);
    return await Promise.race([question(client), tooLate(limit)]);
  } finally {
    await client.close();
  }
}

/** The one of the lab host's two kernels that does not run. */
export async function otherKernel(state: LabState): Promise<string> {
  const { kernel } = await askAgent(state, (client) => client.host());
  return kernel === state.kernels.old ? state.kernels.new : state.kernels.old;
}

/** Waits until the agent answers and, unless told otherwise, the store is there. @throws ExuviaError `lab-not-ready`. */
export function waitForAgent(state: LabState, limitMs: number, wanted = { store: true }): Promise<Host> {
  return waitUntil(state, "The lab host's agent and its store", limitMs, async () => {
    const host = await askAgent(state, (client) => client.host());
    return wanted.store && host.store === null ? null : host;
  });
}

async function tooLate(limitMs: number): Promise<never> {
  await sleep(limitMs, undefined, { ref: false });
  throw new ExuviaError('agent-silent', `The agent did not answer within ${limitMs / 1000} s.`);
}
