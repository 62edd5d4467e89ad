export { createHeartbeatReader, type HeartbeatReader } from './reader.ts';
