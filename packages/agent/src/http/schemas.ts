import {
  doctorSchema,
  errorBodySchema,
  heartbeatSchema,
  hostSchema,
  observationSchema,
  planRequestSchema,
  planSchema,
  reportSchema,
  setupRequestSchema,
  setupResultSchema,
  stopRequestSchema,
  updateEventSchema,
  updateRequestSchema,
  updateSchema,
  vmNameSchema,
  vmSchema,
  vmSpecSchema,
} from '@exuvia/contract';
import { z } from '@hono/zod-openapi';

/** The contract's schemas, under the names that they have in the OpenAPI document. */
export const Vm = named('Vm', vmSchema);
export const VmSpec = named('VmSpec', vmSpecSchema);
export const Host = named('Host', hostSchema);
export const Doctor = named('Doctor', doctorSchema);
export const Heartbeat = named('Heartbeat', heartbeatSchema);
export const SetupRequest = named('SetupRequest', setupRequestSchema);
export const SetupResult = named('SetupResult', setupResultSchema);
export const StopRequest = named('StopRequest', stopRequestSchema);
export const PlanRequest = named('PlanRequest', planRequestSchema);
export const Plan = named('Plan', planSchema);
export const UpdateRequest = named('UpdateRequest', updateRequestSchema);
export const Update = named('Update', updateSchema);
export const UpdateEvent = named('UpdateEvent', updateEventSchema);
export const Observation = named('Observation', observationSchema);
export const Report = named('Report', reportSchema);
const ErrorBody = named('Error', errorBodySchema);

export const VmPath = z.object({ name: vmNameSchema });

/** Ids of plans and updates become path elements. */
export const IdPath = z.object({
  id: z.string().regex(/^[0-9a-z-]{1,64}$/, 'must be the id of a plan or update'),
});

/** A route's answer, and that of its failures. */
export function answers<Schema extends z.ZodType>(schema: Schema, description: string) {
  return {
    200: { description, content: { 'application/json': { schema } } },
    ...failures,
  } as const;
}

export const failures = {
  default: {
    description: 'Refused (4xx: nothing was changed) or failed (5xx)',
    content: { 'application/json': { schema: ErrorBody } },
  },
} as const;

export const noContent = { 204: { description: 'Done' }, ...failures } as const;

export function body<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { 'application/json': { schema } } } as const;
}

/** A copy with that name: the document describes it once, wherever it is a whole body. */
function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  // Only schemas that are made after zod-openapi was loaded have its method.
  return (schema.clone() as Schema).openapi(id);
}
