// The entry for browsers, and for every other platform with `fetch`.
export { type Candidate, type Problem, Refused } from '../core/refused.js';
export type { Clock } from '../core/tries.js';
export { type AgentInfo, Answer, type Outcome, type Routed, type TurnEvent } from './answer.js';
export type { GatewayOptions } from './door.js';
export { type AskOptions, Gateway, type Upload } from './gateway.js';
export { EventStream } from './stream.js';
