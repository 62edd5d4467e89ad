import {
  ExuviaError,
  type HandoverKind,
  MAX_PARALLEL,
  type PlanRequest,
  planRequestSchema,
  type VmmMethod,
} from '@exuvia/contract';

/** The options that say what an update is to bring. */
export interface Wishes {
  readonly all?: boolean;
  readonly kernel?: string;
  readonly qemu?: string;
  readonly module?: readonly string[];
  readonly handover?: HandoverKind;
  readonly method?: VmmMethod;
  /** As it was given. */
  readonly parallel?: string;
}

/** The request that they stand for; `null` when none was given. Throws ExuviaError `usage`. */
export function requestOf(wishes: Wishes): PlanRequest | null {
  const { all, kernel, qemu, module: modules, handover, method } = wishes;
  const parallel = parallelOf(wishes.parallel);
  const given = Object.entries({ all, kernel, qemu, modules, handover, method, parallel });
  const request = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  if (Object.keys(request).length === 0) return null;
  const result = planRequestSchema.safeParse(request);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${optionOf(path[0])} ${message}`);
  throw new ExuviaError('usage', `${problems.join('; ')}.`, { hint: 'See `exuvia update --help`.' });
}

/** The option that a field of the request comes from. */
function optionOf(field: PropertyKey | undefined): string {
  return field === 'modules' ? '--module' : `--${String(field)}`;
}

function parallelOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9][0-9]?$/.test(text) && Number(text) <= MAX_PARALLEL) return Number(text);
  throw new ExuviaError('usage', `--parallel '${text}' is not a whole number from 1 to ${MAX_PARALLEL}.`);
}
