import { type ErrorBody, ExuviaError, errorBodySchema, HOST_PATHS } from '@exuvia/contract';
import { Agent, type Dispatcher, request } from 'undici';
import type { z } from 'zod';
import { Refused, Unreachable } from './errors.ts';

/** Where an agent is: on this machine behind its unix socket, or anywhere behind TLS. */
export type Endpoint =
  | { readonly socketPath: string }
  | {
      /** https://HOST:PORT */
      readonly url: string;
      /** PEM: the authority that signed the agent's certificate. */
      readonly ca: string | Buffer;
      /** PEM: the certificate that this client shows, and its key. */
      readonly cert: string | Buffer;
      readonly key: string | Buffer;
    };

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

interface CallOptions {
  readonly signal?: AbortSignal;
  /** So much longer than usual the agent may take, because it was asked to wait. */
  readonly waitMs?: number;
}

export interface Transport {
  /** Sends a request and validates the answer. Throws {@link Refused}, {@link Unreachable}, ExuviaError. */
  call<Schema extends z.ZodType>(
    method: Method,
    path: string,
    schema: Schema,
    body?: unknown,
    options?: CallOptions,
  ): Promise<z.output<Schema>>;
  /** Sends a request whose answer is not JSON, or has no body. */
  text(method: Method, path: string): Promise<string>;
  /** Opens a stream; it fails when nothing at all comes for {@link SILENCE_MS}. */
  stream(path: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Stopping a VM or making a plan may take minutes on a slow host. */
const ANSWER_TIMEOUT_MS = 15 * 60_000;
/** The agent writes every 5 s: after so long its host has jumped away under the connection. */
const SILENCE_MS = 20_000;

export function createTransport(endpoint: Endpoint, answerTimeoutMs = ANSWER_TIMEOUT_MS): Transport {
  const isLocal = 'socketPath' in endpoint;
  const where = isLocal ? endpoint.socketPath : endpoint.url;
  const dispatcher = new Agent({
    connect: isLocal
      ? { socketPath: endpoint.socketPath }
      : { ca: endpoint.ca, cert: endpoint.cert, key: endpoint.key, timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
  });
  const origin = isLocal ? 'http://localhost' : new URL(endpoint.url).origin;

  const send = async (
    method: Method,
    path: string,
    options: Partial<Dispatcher.RequestOptions> = {},
  ): Promise<Dispatcher.ResponseData> => {
    try {
      return await request(origin + path, { ...options, method, dispatcher });
    } catch (cause) {
      if (options.signal instanceof AbortSignal && options.signal.aborted) throw cause;
      throw unreachable(where, isLocal, cause);
    }
  };
  const read = async (response: Dispatcher.ResponseData): Promise<string> => {
    const text = await response.body.text().catch((cause: unknown) => {
      throw unreachable(where, isLocal, cause);
    });
    if (response.statusCode < 400) return text;
    throw errorOf(response.statusCode, text);
  };

  return {
    async call(method, path, schema, body, { waitMs = 0, ...options } = {}) {
      const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const response = await send(method, path, {
        ...(body === undefined ? {} : json),
        ...options,
        headersTimeout: answerTimeoutMs + waitMs,
      });
      return validate(await read(response), schema, path);
    },
    text: async (method, path) => await read(await send(method, path)),
    async stream(path, signal) {
      const options = {
        headersTimeout: SILENCE_MS,
        bodyTimeout: SILENCE_MS,
        ...(signal === undefined ? {} : { signal }),
      };
      const response = await send('GET', path, options);
      if (response.statusCode >= 400) await read(response);
      return guard(response.body, (cause) => unreachable(where, isLocal, cause), signal);
    },
    close: () => dispatcher.destroy(),
  };
}

async function* guard(
  body: AsyncIterable<Uint8Array>,
  wrap: (cause: unknown) => ExuviaError,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    if (signal?.aborted === true) throw cause;
    throw wrap(cause);
  }
}

function unreachable(where: string, isLocal: boolean, cause: unknown): Unreachable {
  return new Unreachable(where, cause, isLocal ? localHint(cause) : REMOTE_HINT);
}

const REMOTE_HINT =
  'See whether the agent has remote access configured, and whether it knows the authority of this certificate.';

function localHint(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  if (code === 'EACCES' || code === 'EPERM') return "Its socket is root's alone: try again as root.";
  return `See \`systemctl status exuvia-agent\`; ${HOST_PATHS.socket} is root's alone.`;
}

function errorOf(status: number, text: string): ExuviaError {
  const body = parseErrorBody(text);
  if (body === null)
    return new ExuviaError('answer-invalid', `The agent answered with HTTP status ${status}.`);
  if (status < 500) return new Refused(status, body);
  const { code, message, hint } = body.error;
  return new ExuviaError(code, message, hint === undefined ? {} : { hint });
}

function parseErrorBody(text: string): ErrorBody | null {
  try {
    const { code, message, hint } = errorBodySchema.parse(JSON.parse(text)).error;
    return { error: hint === undefined ? { code, message } : { code, message, hint } };
  } catch {
    return null;
  }
}

function validate<Schema extends z.ZodType>(text: string, schema: Schema, path: string): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ExuviaError('answer-invalid', `The agent's answer to ${path} is not what this client knows.`, {
      cause,
      hint: 'Client and agent may be of different versions: see `exuvia --version` on both sides.',
    });
  }
}
