import { ExuviaError, parseSize } from '@exuvia/contract';
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { answers, body, Doctor, Host, SetupRequest, SetupResult } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['host'];

const getHost = createRoute({
  method: 'get',
  path: '/v1/host',
  summary: 'What this host is: kernel, QEMU, memory, store',
  tags,
  responses: answers(Host, 'The host'),
});

const getDoctor = createRoute({
  method: 'get',
  path: '/v1/doctor',
  summary: 'What of this host can be updated how, and what stands in the way',
  tags,
  responses: answers(Doctor, 'Every check with its verdict'),
});

const postSetup = createRoute({
  method: 'post',
  path: '/v1/setup',
  summary: 'Reserves memory for the store and configures the boot loader',
  tags,
  request: { body: body(SetupRequest) },
  responses: answers(SetupResult, 'What was done, and whether a reboot is needed'),
});

const deleteSetup = createRoute({
  method: 'delete',
  path: '/v1/setup',
  summary: 'Takes a setup back',
  tags,
  responses: answers(SetupResult, 'What was done'),
});

export function addHostRoutes(app: OpenAPIHono, services: Services): void {
  app.openapi(getHost, async (context) => context.json(await services.inventory.host(), 200));
  app.openapi(getDoctor, async (context) => context.json(await services.doctor(), 200));
  app.openapi(postSetup, async (context) => {
    const { memory } = context.req.valid('json');
    const bytes = parseSize(memory);
    if (bytes === null) throw new ExuviaError('request-invalid', `${memory} is no size.`);
    return context.json(await services.updates.changing(() => services.setup(bytes)), 200);
  });
  app.openapi(deleteSetup, async (context) =>
    context.json(await services.updates.changing(() => services.undoSetup()), 200),
  );
}
