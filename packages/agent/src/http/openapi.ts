import { createApp, OPENAPI } from './app.ts';
import type { Services } from './services.ts';

/** The OpenAPI 3.1 document, as it is checked in: no service is asked for it. */
export function renderOpenApi(): string {
  const app = createApp({ log: { debug() {}, info() {}, warn() {}, error() {} } } as unknown as Services);
  return `${JSON.stringify(app.getOpenAPI31Document(OPENAPI), null, 2)}\n`;
}
