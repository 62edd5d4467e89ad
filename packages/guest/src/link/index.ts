export { linkPatch, linkSizes, requireAcceptable } from './link.ts';
export type { LinkTarget } from './target.ts';
