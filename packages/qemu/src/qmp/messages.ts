import { z } from 'zod';
import { QmpProtocolError } from '../errors.ts';

const timestampSchema = z.object({ seconds: z.number(), microseconds: z.number() });

const greetingSchema = z.object({
  QMP: z.object({
    version: z.object({
      qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
      package: z.string(),
    }),
    capabilities: z.array(z.string()),
  }),
});

const returnSchema = z.object({ return: z.unknown(), id: z.string() });

const errorSchema = z.object({
  error: z.object({ class: z.string(), desc: z.string() }),
  id: z.string().optional(),
});

const eventSchema = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
  timestamp: timestampSchema,
});

export type QmpGreeting = z.infer<typeof greetingSchema>['QMP'];

/** One line from QEMU. */
export type QmpMessage =
  | { readonly kind: 'greeting'; readonly greeting: QmpGreeting }
  | { readonly kind: 'return'; readonly id: string; readonly value: unknown }
  /** `id` is missing when QEMU could not make out to which command the error belongs. */
  | { readonly kind: 'error'; readonly id: string | undefined; readonly class: string; readonly desc: string }
  | {
      readonly kind: 'event';
      readonly name: string;
      readonly data: Readonly<Record<string, unknown>>;
      /** Milliseconds since 1970 by the host's clock. */
      readonly atMs: number;
    };

/** @throws QmpProtocolError when the line is no QMP message. */
export function parseMessage(line: string): QmpMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new QmpProtocolError(`The monitor sent a line that is not JSON: ${excerpt(line)}`, { cause });
  }
  const message = typeof value === 'object' && value !== null ? classify(value) : undefined;
  if (message === undefined) {
    throw new QmpProtocolError(`The monitor sent a line that is no QMP message: ${excerpt(line)}`);
  }
  return message;
}

function classify(value: object): QmpMessage | undefined {
  if ('return' in value) {
    const { data } = returnSchema.safeParse(value);
    return data && { kind: 'return', id: data.id, value: data.return };
  }
  if ('error' in value) {
    const { data } = errorSchema.safeParse(value);
    return data && { kind: 'error', id: data.id, class: data.error.class, desc: data.error.desc };
  }
  if ('event' in value) {
    const { data } = eventSchema.safeParse(value);
    return data && { kind: 'event', name: data.event, data: data.data, atMs: milliseconds(data.timestamp) };
  }
  const { data } = greetingSchema.safeParse(value);
  return data && { kind: 'greeting', greeting: data.QMP };
}

function milliseconds(timestamp: z.infer<typeof timestampSchema>): number {
  return timestamp.seconds * 1000 + timestamp.microseconds / 1000;
}

function excerpt(line: string): string {
  const printable = line.replace(/[^\x20-\x7e]/g, '.');
  return printable.length > 80 ? `${printable.slice(0, 80)}...` : printable;
}
