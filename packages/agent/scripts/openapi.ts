import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderOpenApi } from '../src/http/openapi.ts';

/** Writes docs/openapi.json; a test sees to it that this is done after a change of the API. */
await writeFile(join(import.meta.dirname, '../../../docs/openapi.json'), renderOpenApi());
