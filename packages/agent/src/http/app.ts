import { ExuviaError, VERSION } from '@exuvia/contract';
import { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { answerError, bodyTooLarge, requestInvalid } from './errors.ts';
import { addHostRoutes } from './routes/host.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addUpdateRoutes } from './routes/updates.ts';
import { addVmRoutes } from './routes/vms.ts';
import type { Services } from './services.ts';

/** An observation of a thousand VMs with their gap plots is the largest thing that is sent. */
const BODY_LIMIT_BYTES = 32 * 1024 * 1024;

/** The OpenAPI document's head; `getOpenAPI31Document` adds the rest. */
export const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'Exuvia agent',
    version: VERSION,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    description:
      "Updates a host's software under its running VMs. Served on /run/exuvia/agent.sock, and over TLS with client certificates where agent.yaml says so.",
  },
};

/** Requests to an update that the agent may be finishing at this moment. */
const ALWAYS_SERVED = /^\/v1\/updates\/[^/]+\/(abort|continue)$/;

/** The agent's HTTP API. */
export function createApp(services: Services): OpenAPIHono {
  const { log } = services;
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw requestInvalid(result.error, result.target);
    },
  });
  app.onError((error, context) => answerError(error, context, log));
  app.notFound((context) => {
    const { method, path } = context.req;
    const unknown = new ExuviaError('route-unknown', `There is no ${method} ${path}.`, {
      hint: 'See /openapi.json.',
    });
    return answerError(unknown, context, log);
  });
  app.use(async (context, next) => {
    await next();
    const { method, path } = context.req;
    log[method === 'GET' ? 'debug' : 'info']({ method, path, status: context.res.status }, 'request');
  });
  app.use(
    bodyLimit({
      maxSize: BODY_LIMIT_BYTES,
      onError: (context) => context.json(bodyTooLarge(BODY_LIMIT_BYTES), 413),
    }),
  );
  app.use(async (context, next) => {
    // What an earlier agent left may still be scrubbed, undone or verified: nothing is changed meanwhile.
    const { method, path } = context.req;
    if (method !== 'GET' && !ALWAYS_SERVED.test(path)) await services.started;
    await next();
  });
  addHostRoutes(app, services);
  addVmRoutes(app, services);
  addUpdateRoutes(app, services);
  addMetricsRoute(app, services);
  app.doc31('/openapi.json', OPENAPI);
  return app;
}
