import {
  ExuviaError,
  type HandoverKind,
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
  readonly parallel?: number;
}

/** The request that they stand for; `null` when none was given. Throws ExuviaError `usage`. */
export function requestOf(wishes: Wishes): PlanRequest | null {
  const { all, kernel, qemu, module: modules, handover, method, parallel } = wishes;
  const given = Object.entries({ all, kernel, qemu, modules, handover, method, parallel });
  const request = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  if (Object.keys(request).length === 0) return null;
  const result = planRequestSchema.safeParse(request);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `--${String(path[0])} ${message}`);
  throw new ExuviaError('usage', `${problems.join('; ')}.`, { hint: 'See `exuvia update --help`.' });
}
