import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { renderOpenApi } from './openapi.ts';

test('docs/openapi.json is current (else: node packages/agent/scripts/openapi.ts)', async () => {
  const checkedIn = await readFile(join(import.meta.dirname, '../../../../docs/openapi.json'), 'utf8');
  expect(JSON.parse(checkedIn)).toEqual(JSON.parse(renderOpenApi()));
});

test('the document is OpenAPI 3.1 and has every route', () => {
  const document = JSON.parse(renderOpenApi());
  expect(document.openapi).toBe('3.1.0');
  const routes = Object.entries<Record<string, unknown>>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const names = ['Error', 'Host', 'Plan', 'Report', 'Update', 'UpdateEvent', 'Vm', 'VmSpec'];
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(names));
  expect(routes.sort()).toEqual([
    'DELETE /v1/setup',
    'DELETE /v1/vms/{name}',
    'GET /metrics',
    'GET /v1/doctor',
    'GET /v1/host',
    'GET /v1/plans/{id}',
    'GET /v1/updates',
    'GET /v1/updates/{id}',
    'GET /v1/updates/{id}/events',
    'GET /v1/updates/{id}/report',
    'GET /v1/vms',
    'GET /v1/vms/{name}',
    'GET /v1/vms/{name}/heartbeat',
    'POST /v1/plans',
    'POST /v1/setup',
    'POST /v1/updates',
    'POST /v1/updates/{id}/abort',
    'POST /v1/updates/{id}/continue',
    'POST /v1/vms',
    'POST /v1/vms/{name}/recover',
    'POST /v1/vms/{name}/resume',
    'POST /v1/vms/{name}/start',
    'POST /v1/vms/{name}/stop',
    'PUT /v1/updates/{id}/observation',
  ]);
});
