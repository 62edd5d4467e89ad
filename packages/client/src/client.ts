import {
  type Doctor,
  doctorSchema,
  type HeartbeatBody,
  type Host,
  heartbeatSchema,
  hostSchema,
  type Observation,
  type Plan,
  type PlanRequest,
  planSchema,
  type Report,
  reportSchema,
  type SetupResult,
  setupResultSchema,
  type Update,
  type UpdateEvent,
  type UpdateRequest,
  updateSchema,
  type Vm,
  type VmSpec,
  vmSchema,
} from '@exuvia/contract';
import { z } from 'zod';
import { type FollowOptions, followUpdate } from './events.ts';
import { createTransport, type Endpoint } from './transport.ts';

/**
 * The agent's API, one method a route. Every method throws `Refused` when the agent says no, `Unreachable` when
 * there is no agent, and ExuviaError when something goes wrong in it.
 */
export interface Client {
  host(): Promise<Host>;
  doctor(): Promise<Doctor>;
  /** `memory` is a size such as `2G`. */
  setup(memory: string): Promise<SetupResult>;
  undoSetup(): Promise<SetupResult>;
  vms(): Promise<Vm[]>;
  vm(name: string): Promise<Vm>;
  createVm(spec: VmSpec): Promise<Vm>;
  startVm(name: string): Promise<Vm>;
  stopVm(name: string, timeoutMs?: number): Promise<Vm>;
  destroyVm(name: string): Promise<void>;
  /** Tries again to restore a VM whose saved state is kept. */
  resumeVm(name: string): Promise<Vm>;
  recoverVm(name: string): Promise<Vm>;
  heartbeat(name: string): Promise<HeartbeatBody>;
  /** Takes minutes on a slow host; throws the signal's reason when it is aborted. */
  makePlan(request: PlanRequest, options?: { readonly signal?: AbortSignal }): Promise<Plan>;
  plan(id: string): Promise<Plan>;
  updates(): Promise<Update[]>;
  update(id: string): Promise<Update>;
  startUpdate(request: UpdateRequest): Promise<Update>;
  abort(id: string): Promise<Update>;
  /** Lets an update go on that a fault holds. */
  continue(id: string): Promise<Update>;
  report(id: string): Promise<Report>;
  observe(id: string, observation: Observation): Promise<Report>;
  /** The events of an update until its end. */
  follow(id: string, options?: FollowOptions): AsyncGenerator<UpdateEvent, void, undefined>;
  metrics(): Promise<string>;
  openApi(): Promise<unknown>;
  close(): Promise<void>;
}

/** `answerTimeoutMs`: an agent that has not answered after so long counts as unreachable. */
export function createClient(
  endpoint: Endpoint,
  { answerTimeoutMs }: { readonly answerTimeoutMs?: number } = {},
): Client {
  const transport = createTransport(endpoint, answerTimeoutMs);
  const { call, text } = transport;
  const vm = (name: string) => `/v1/vms/${encodeURIComponent(name)}`;
  const update = (id: string) => `/v1/updates/${encodeURIComponent(id)}`;
  return {
    host: () => call('GET', '/v1/host', hostSchema),
    doctor: () => call('GET', '/v1/doctor', doctorSchema),
    setup: (memory) => call('POST', '/v1/setup', setupResultSchema, { memory }),
    undoSetup: () => call('DELETE', '/v1/setup', setupResultSchema),
    vms: () => call('GET', '/v1/vms', z.array(vmSchema)),
    vm: (name) => call('GET', vm(name), vmSchema),
    createVm: (spec) => call('POST', '/v1/vms', vmSchema, spec),
    startVm: (name) => call('POST', `${vm(name)}/start`, vmSchema),
    stopVm: (name, timeoutMs) =>
      timeoutMs === undefined
        ? call('POST', `${vm(name)}/stop`, vmSchema)
        : call('POST', `${vm(name)}/stop`, vmSchema, { timeoutMs }, { waitMs: timeoutMs }),
    async destroyVm(name) {
      await text('DELETE', vm(name));
    },
    resumeVm: (name) => call('POST', `${vm(name)}/resume`, vmSchema),
    recoverVm: (name) => call('POST', `${vm(name)}/recover`, vmSchema),
    heartbeat: (name) => call('GET', `${vm(name)}/heartbeat`, heartbeatSchema),
    makePlan: (request, options) => call('POST', '/v1/plans', planSchema, request, options),
    plan: (id) => call('GET', `/v1/plans/${encodeURIComponent(id)}`, planSchema),
    updates: () => call('GET', '/v1/updates', z.array(updateSchema)),
    update: (id) => call('GET', update(id), updateSchema),
    startUpdate: (request) => call('POST', '/v1/updates', updateSchema, request),
    abort: (id) => call('POST', `${update(id)}/abort`, updateSchema),
    continue: (id) => call('POST', `${update(id)}/continue`, updateSchema),
    report: (id) => call('GET', `${update(id)}/report`, reportSchema),
    observe: (id, observation) => call('PUT', `${update(id)}/observation`, reportSchema, observation),
    follow: (id, options) => followUpdate(transport, id, options),
    metrics: () => text('GET', '/metrics'),
    openApi: () => call('GET', '/openapi.json', z.unknown()),
    close: () => transport.close(),
  };
}
