import { type ErrorBody, ExuviaError, toErrorBody } from '@exuvia/contract';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import type { Log } from './services.ts';

/** What an ExuviaError means over HTTP. 4xx: refused, nothing was changed. 5xx: something went wrong. */
const STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  // Its saved state is used up.
  'vm-not-resumed': 500,
  'request-invalid': 400,
  'body-invalid': 400,
  'spec-invalid': 400,
  'vm-name-invalid': 400,
  'vm-memory-invalid': 400,
  'observation-invalid': 400,
  'fault-step-unknown': 400,
  'fault-injection-disabled': 403,
  'body-too-large': 413,
  'kernel-unknown': 422,
  'journal-invalid': 409,
  'journal-unwritable': 409,
  'nothing-newer': 409,
  'handover-insufficient': 409,
  'qemu-unusable': 422,
  'plan-invalid': 409,
  'vm-state-unsealed': 409,
  'vm-state-damaged': 409,
  'vm-memory-damaged': 409,
  'vm-nothing-to-recover': 409,
  'illegal-transition': 409,
};

/** Families of codes that other rooms add to, the first that matches counts. */
const FAMILIES: readonly (readonly [RegExp, ContentfulStatusCode])[] = [
  [/-failed$/, 500],
  // The host is not as it has to be for what was asked.
  [/^(setup|store|boot-loader|device|iomem)-|-missing$/, 409],
  [/-unknown$/, 404],
  [/-(running|exists|used|busy|outdated|ended|jumping|not-[a-z-]+)$/, 409],
];

function statusOf(error: unknown): ContentfulStatusCode {
  if (!(error instanceof ExuviaError)) return 500;
  return STATUS[error.code] ?? FAMILIES.find(([family]) => family.test(error.code))?.[1] ?? 500;
}

/** Answers anything thrown with the body that every error has. */
export function answerError(thrown: unknown, context: Context, log: Log): Response {
  const error = thrown instanceof HTTPException ? bodyInvalid(thrown) : thrown;
  const status = statusOf(error);
  if (status >= 500) log.error({ err: error, path: context.req.path }, 'A request failed.');
  return context.json(toErrorBody(error), status);
}

/** What zod found wrong with a request, in one sentence that names the fields. */
export function requestInvalid(error: z.ZodError, target: string): ExuviaError {
  const problems = error.issues.map((issue) => `${issue.path.join('.') || target} ${issue.message}`);
  return new ExuviaError('request-invalid', `The request is not valid: ${problems.join('; ')}.`);
}

export function bodyTooLarge(limitBytes: number): ErrorBody {
  const message = `The request's body is larger than ${limitBytes} bytes.`;
  return toErrorBody(new ExuviaError('body-too-large', message));
}

/** Hono throws this for a body that is not JSON. */
function bodyInvalid(cause: HTTPException): ExuviaError {
  return new ExuviaError('body-invalid', "The request's body is not JSON.", { cause });
}
