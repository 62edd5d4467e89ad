import { ExuviaError } from '@exuvia/contract';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { answers, body, Heartbeat, noContent, StopRequest, Vm, VmPath, VmSpec } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['vms'];
const one = '/v1/vms/{name}';
const request = { params: VmPath };

const listVms = createRoute({
  method: 'get',
  path: '/v1/vms',
  summary: 'All VMs of this host',
  tags,
  responses: answers(z.array(Vm), 'The VMs'),
});

const createVm = createRoute({
  method: 'post',
  path: '/v1/vms',
  summary: 'Creates a VM from its spec; it is not started',
  tags,
  request: { body: body(VmSpec) },
  responses: answers(Vm, 'The VM'),
});

const getVm = createRoute({
  method: 'get',
  path: one,
  summary: 'One VM',
  tags,
  request,
  responses: answers(Vm, 'The VM'),
});

const destroyVm = createRoute({
  method: 'delete',
  path: one,
  summary: 'Stops a VM, overwrites its memory and removes it; its disks are left alone',
  tags,
  request,
  responses: noContent,
});

const startVm = createRoute({
  method: 'post',
  path: `${one}/start`,
  summary: 'Starts a VM, or lets one run on that a full disk has stopped',
  tags,
  request,
  responses: answers(Vm, 'The VM'),
});

const stopVm = createRoute({
  method: 'post',
  path: `${one}/stop`,
  summary: 'Powers a VM down',
  tags,
  request: { params: VmPath, body: { content: { 'application/json': { schema: StopRequest } } } },
  responses: answers(Vm, 'The VM'),
});

const resumeVm = createRoute({
  method: 'post',
  path: `${one}/resume`,
  summary: 'Lets a VM run on that stands still',
  tags,
  request,
  responses: answers(Vm, 'The VM'),
});

const recoverVm = createRoute({
  method: 'post',
  path: `${one}/recover`,
  summary: 'Restores a VM whose saved state an update has kept',
  tags,
  request,
  responses: answers(Vm, 'The VM'),
});

const getHeartbeat = createRoute({
  method: 'get',
  path: `${one}/heartbeat`,
  summary: "What the guest's heartbeat page says now",
  tags,
  request,
  responses: answers(Heartbeat, 'The heartbeat'),
});

export function addVmRoutes(app: OpenAPIHono, { vms, updates, heartbeat }: Services): void {
  app.openapi(listVms, async (context) => context.json(await vms.list(), 200));
  app.openapi(createVm, async (context) => {
    const spec = context.req.valid('json');
    return context.json(await updates.changing(() => vms.create(spec)), 200);
  });
  app.openapi(getVm, async (context) => context.json(await vms.get(context.req.valid('param').name), 200));
  app.openapi(destroyVm, async (context) => {
    const { name } = context.req.valid('param');
    await updates.changing(() => vms.destroy(name));
    return context.body(null, 204);
  });
  app.openapi(startVm, async (context) => {
    const { name } = context.req.valid('param');
    return context.json(await updates.changing(() => vms.start(name)), 200);
  });
  app.openapi(stopVm, async (context) => {
    const { name } = context.req.valid('param');
    // Without a body the validator has nothing to say and gives an empty object.
    const options = StopRequest.parse(context.req.valid('json'));
    return context.json(await updates.changing(() => vms.stop(name, options)), 200);
  });
  app.openapi(resumeVm, async (context) => {
    const { name } = context.req.valid('param');
    await updates.changing(async () => {
      await vms.get(name);
      await vms.resume(name);
    });
    return context.json(await vms.get(name), 200);
  });
  app.openapi(recoverVm, async (context) => {
    const { name } = context.req.valid('param');
    return context.json(await updates.changing(() => vms.recover(name)), 200);
  });
  app.openapi(getHeartbeat, async (context) => {
    const { name } = context.req.valid('param');
    const beat = await heartbeat(name);
    if (beat !== null) return context.json(beat, 200);
    throw new ExuviaError('heartbeat-unknown', `The memory of VM ${name} holds no heartbeat page.`, {
      hint: 'See /usr/share/doc/exuvia/heartbeat.md.',
    });
  });
}
