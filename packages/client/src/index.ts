export { type Client, createClient } from './client.ts';
export { Refused, Unreachable } from './errors.ts';
export type { FollowOptions } from './events.ts';
export type { Endpoint } from './transport.ts';
