export { assemble, patchText } from './assemble.ts';
export { type TestKernel, type TestKernelOptions, testKernel } from './test-kernel.ts';
