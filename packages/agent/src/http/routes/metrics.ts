import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { failures } from '../schemas.ts';
import type { Services } from '../services.ts';

const getMetrics = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'Updates, phases, pauses, blackouts, VMs and store, for Prometheus',
  tags: ['host'],
  responses: {
    200: { description: 'Prometheus text format', content: { 'text/plain': { schema: z.string() } } },
    ...failures,
  },
});

export function addMetricsRoute(app: OpenAPIHono, { metrics }: Services): void {
  app.openapi(getMetrics, async (context) => {
    const text = await metrics.render();
    return context.text(text, 200, { 'content-type': metrics.contentType });
  });
}
