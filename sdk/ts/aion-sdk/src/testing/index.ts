export type { OtherAgent } from './agents.js';
export { type Case, Judge, type Step } from './conformance.js';
export { type Asked, type AskOptions, FakeKernel, type FakeOptions, type FakeTool } from './kernel.js';
export type { EventsReply, Reply, Said, ToolReply } from './model.js';
export type { Mount } from './mounts.js';
