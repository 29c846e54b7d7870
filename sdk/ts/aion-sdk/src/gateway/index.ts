// The entry for browsers, and for every other platform with `fetch`.
export { type Candidate, type Problem, Refused } from '../core/refused.js';
export type { Clock } from '../core/tries.js';
export { type AgentInfo, Answer, type Outcome, type Routed, type Step, type TurnEvent } from './answer.js';
export { Approval, type ApproveOptions, type ListOptions, type Said, type Word } from './approvals.js';
export type { GatewayOptions } from './door.js';
export { type EventItem, type EventKind, EventStream, type EventsOptions, type Happened, type Missed, type TurnState } from './events.js';
export { type AskOptions, Gateway, type Upload } from './gateway.js';
export { TurnStream } from './stream.js';
