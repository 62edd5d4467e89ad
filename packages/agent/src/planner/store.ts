import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, type Plan, planSchema } from '@exuvia/contract';
import { isErrno, readIfExists, writeFileDurably } from '@exuvia/sys';

/** Plans as files: UPDATES/ID/plan.json. The update that executes a plan has the plan's id. */
export interface PlanStore {
  /** Throws ExuviaError `plan-unknown`, `plan-invalid`. */
  read(id: string): Promise<Plan>;
  write(plan: Plan): Promise<void>;
  /** Removes the plans made before `olderThan` that nobody executed: a directory with anything else in it stays. */
  prune(olderThan: Date, executed: (id: string) => boolean): Promise<void>;
}

const PLAN = 'plan.json';
const ID = /^[0-9]{8}-[0-9]{6}-[0-9a-f]{4}$/;

/** A new plan's id: sorts by time, names the time (UTC). */
export function newPlanId(now: Date): string {
  const [date = '', time = ''] = now.toISOString().replaceAll(/[-:]/g, '').split(/[T.]/);
  return `${date}-${time}-${randomBytes(2).toString('hex')}`;
}

export function createPlanStore(updatesDirectory: string): PlanStore {
  const fileOf = (id: string) => join(updatesDirectory, id, PLAN);
  return {
    async read(id) {
      const text = ID.test(id) ? await readIfExists(fileOf(id)) : null;
      if (text !== null) return parsePlan(text, fileOf(id));
      throw new ExuviaError('plan-unknown', `There is no plan ${id}.`, {
        hint: 'Make one: `exuvia plan --kernel RELEASE`.',
      });
    },
    async write(plan) {
      await writeFileDurably(fileOf(plan.id), `${JSON.stringify(plan, null, 2)}\n`);
    },
    async prune(olderThan, executed) {
      const oldest = newPlanId(olderThan);
      const stale = (await list(updatesDirectory)).filter(
        (id) => ID.test(id) && id < oldest && !executed(id),
      );
      for (const id of stale) {
        const directory = join(updatesDirectory, id);
        const held = await list(directory);
        if (held.every((name) => name === PLAN)) await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function parsePlan(text: string, file: string): Plan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ExuviaError('plan-invalid', `${file} is not JSON.`, { cause, hint: 'Make a new plan.' });
  }
  const result = planSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ExuviaError('plan-invalid', `${file} is no plan: ${issue?.path.join('.')} ${issue?.message}.`, {
    hint: 'Make a new plan.',
  });
}
