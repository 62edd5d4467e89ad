import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: unknown;
}

/** Sends a request with nothing but Node's own client, so that tests see what is really on the wire. */
export async function ask(
  to: string | RequestOptions,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const answered = Promise.withResolvers<Answer>();
  const isSocket = typeof to === 'string';
  const raw = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    connection: 'close',
  };
  const options = isSocket ? { socketPath: to, method, path, headers } : { ...to, method, path, headers };
  const request = (isSocket ? httpRequest : httpsRequest)(options, (response) => {
    text(response).then(
      (answer) =>
        answered.resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: parse(answer),
        }),
      answered.reject,
    );
  });
  request.on('error', answered.reject);
  request.end(raw);
  return await answered.promise;
}

function parse(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return answer;
  }
}
