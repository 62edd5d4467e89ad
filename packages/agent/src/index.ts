export { type Agent, startAgent } from './daemon/agent.ts';
export { startTestAgent, type TestAgent, type TestAgentOptions } from './testing/agent.ts';
export { FakeHandover } from './testing/fake-handover.ts';
export { FakeVms, fakeHost, fakeReport, fakeVm } from './testing/fakes.ts';
export { temporaryFolder } from './testing/folder.ts';
