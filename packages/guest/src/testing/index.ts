export { type TestKernel, type TestKernelOptions, testKernel } from './test-kernel.ts';
