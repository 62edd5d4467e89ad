import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  answers,
  body,
  failures,
  IdPath,
  Observation,
  Plan,
  PlanRequest,
  Report,
  Update,
  UpdateEvent,
  UpdateRequest,
} from '../schemas.ts';
import type { Services } from '../services.ts';
import { streamUpdate } from '../stream.ts';

const tags = ['updates'];
const one = '/v1/updates/{id}';
const request = { params: IdPath };

const makePlan = createRoute({
  method: 'post',
  path: '/v1/plans',
  summary: 'Makes the plan of an update, with every check; changes nothing',
  tags,
  request: { body: body(PlanRequest) },
  responses: answers(Plan, 'The plan'),
});

const getPlan = createRoute({
  method: 'get',
  path: '/v1/plans/{id}',
  summary: 'A plan made before',
  tags,
  request,
  responses: answers(Plan, 'The plan'),
});

const listUpdates = createRoute({
  method: 'get',
  path: '/v1/updates',
  summary: 'The history of this host, newest first',
  tags,
  responses: answers(z.array(Update), 'The updates'),
});

const startUpdate = createRoute({
  method: 'post',
  path: '/v1/updates',
  summary: 'Starts an update; it goes on by itself',
  tags,
  request: { body: body(UpdateRequest) },
  responses: answers(Update, 'The update'),
});

const getUpdate = createRoute({
  method: 'get',
  path: one,
  summary: 'How far an update has come',
  tags,
  request,
  responses: answers(Update, 'The update'),
});

const getEvents = createRoute({
  method: 'get',
  path: `${one}/events`,
  summary: 'Server-sent events: first where the update is now, then every change, until its end',
  tags,
  request,
  responses: {
    200: {
      description: "Events of the type `update`; each one's data is an UpdateEvent",
      content: { 'text/event-stream': { schema: UpdateEvent } },
    },
    ...failures,
  },
});

const abortUpdate = createRoute({
  method: 'post',
  path: `${one}/abort`,
  summary: 'Asks for an abort; possible until the jump',
  tags,
  request,
  responses: answers(Update, 'The update'),
});

const continueUpdate = createRoute({
  method: 'post',
  path: `${one}/continue`,
  summary: 'Lets an update go on that an injected fault holds',
  tags,
  request,
  responses: answers(Update, 'The update'),
});

const getReport = createRoute({
  method: 'get',
  path: `${one}/report`,
  summary: 'The report of an update',
  tags,
  request,
  responses: answers(Report, 'The report'),
});

const putObservation = createRoute({
  method: 'put',
  path: `${one}/observation`,
  summary: 'Adds to the report of an ended update what somebody outside the host saw of its VMs',
  tags,
  request: { params: IdPath, body: body(Observation) },
  responses: answers(Report, 'The report'),
});

export function addUpdateRoutes(app: OpenAPIHono, { planner, engine, updates }: Services): void {
  app.openapi(makePlan, async (context) => context.json(await planner.plan(context.req.valid('json')), 200));
  app.openapi(getPlan, async (context) =>
    context.json(await planner.read(context.req.valid('param').id), 200),
  );
  app.openapi(listUpdates, (context) => context.json(updates.list(), 200));
  app.openapi(startUpdate, async (context) =>
    context.json(await updates.start(context.req.valid('json')), 200),
  );
  app.openapi(getUpdate, (context) => context.json(updates.get(context.req.valid('param').id), 200));
  app.openapi(getEvents, (context) => streamUpdate(context, engine.ledger, context.req.valid('param').id));
  app.openapi(abortUpdate, async (context) =>
    context.json(await engine.abort(context.req.valid('param').id), 200),
  );
  app.openapi(continueUpdate, (context) => context.json(engine.continue(context.req.valid('param').id), 200));
  app.openapi(getReport, async (context) =>
    context.json(await updates.report(context.req.valid('param').id), 200),
  );
  app.openapi(putObservation, async (context) => {
    const { id } = context.req.valid('param');
    return context.json(await updates.observe(id, context.req.valid('json')), 200);
  });
}
