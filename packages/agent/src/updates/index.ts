export { createUpdateService, type UpdateService } from './service.ts';
