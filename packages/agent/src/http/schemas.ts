import {
  checkSchema,
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

/** The contract's schemas, named for the OpenAPI document. */
checkSchema.openapi('Check');
vmSpecSchema.openapi('VmSpec');
export const Vm = vmSchema.openapi('Vm');
export const VmSpec = vmSpecSchema;
export const Host = hostSchema.openapi('Host');
export const Doctor = doctorSchema.openapi('Doctor');
export const Heartbeat = heartbeatSchema.openapi('Heartbeat');
export const SetupRequest = setupRequestSchema.openapi('SetupRequest');
export const SetupResult = setupResultSchema.openapi('SetupResult');
export const StopRequest = stopRequestSchema.openapi('StopRequest');
export const PlanRequest = planRequestSchema.openapi('PlanRequest');
export const Plan = planSchema.openapi('Plan');
export const UpdateRequest = updateRequestSchema.openapi('UpdateRequest');
export const Update = updateSchema.openapi('Update');
export const UpdateEvent = updateEventSchema.openapi('UpdateEvent');
export const Observation = observationSchema.openapi('Observation');
export const Report = reportSchema.openapi('Report');

const ErrorBody = errorBodySchema.openapi('Error');

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
