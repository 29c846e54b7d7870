// Holds a kernel against sdk/conformance/cases.json, from within a turn. Which kernel it is may not enter.
import { setTimeout as sleep } from 'node:timers/promises';

import { Boot } from '../boot.js';
import { pathOf } from '../core/session.js';
import { Key } from '../core/signing.js';
import { type Answer, Transport } from '../transport.js';

// They pass by themselves; a step that does not expect them is made again.
const PASSING = ['stale', 'restarting', 'overloaded'];

export interface Step {
  call: string;
  body?: unknown;
  raw?: string;
  key?: string;
  sign?: { key?: string; counter?: number | 'last'; shiftMs?: number; body?: string; without?: string; timestamp?: string };
  expect: { code?: string; status?: number; body?: unknown; recorded?: boolean };
  save?: Record<string, string>;
}

export interface Case {
  name: string;
  needs?: string[];
  steps: Step[];
}

/** Makes the steps of cases, and says what is not as expected. */
export class Judge {
  readonly #boot: Boot;
  readonly #transport: Transport;
  #counter = 0;

  constructor(boot: Boot, socketPath: string) {
    this.#boot = boot;
    this.#transport = new Transport(socketPath);
  }

  /** What is wrong with a kernel that has all that cases need, or with one that `has` these alone. */
  async held(cases: Case[], has: string[]): Promise<{ count: number; wrong: string[] }> {
    const offered = cases.filter(({ needs = [] }) => needs.every((it) => has.includes(it)));
    const wrong: string[] = [];
    for (const one of offered) {
      const why = await this.#case(one);
      if (why !== undefined) wrong.push(why);
    }
    return { count: offered.length, wrong };
  }

  /** Ends the turn. */
  async say(kind: 'final' | 'failed', text: string): Promise<void> {
    await this.#step({ call: 'agent.message', body: { kind, text }, key: `t${this.#boot.turn}.said-last`, expect: {} });
    this.#transport.close();
  }

  async #case({ name, steps }: Case): Promise<string | undefined> {
    const known = new Map([['turn', String(this.#boot.turn)]]);
    for (const [at, unfilled] of steps.entries()) {
      const step = filled(unfilled, known) as Step;
      const { answer, body } = await this.#step(step);
      const why = differs(step.expect, answer, body);
      if (why !== undefined) return `${name}, step ${at + 1} (${step.call}): ${why}`;
      for (const [as, place] of Object.entries(step.save ?? {})) {
        known.set(as, String(place.split('.').reduce((it: any, part) => it?.[part], body)));
      }
    }
    return undefined;
  }

  async #step(step: Step): Promise<{ answer: Answer; body: any }> {
    for (;;) {
      const answer = await this.#sent(step);
      const body = JSON.parse(answer.body || 'null');
      const code = body?.code;
      if (!PASSING.includes(code) || step.expect.code === code) return { answer, body };
      await sleep(200);
    }
  }

  #sent({ call, raw, body: asked, key: idempotencyKey, sign = {} }: Step): Promise<Answer> {
    const body = Buffer.from(raw ?? JSON.stringify(asked));
    const path = pathOf(call);
    if (sign.counter === undefined) this.#counter += 1;
    const counter = typeof sign.counter === 'number' ? sign.counter : this.#counter;
    const timestampMs = Date.now() + (sign.shiftMs ?? 0);
    const key = sign.key === undefined ? Boot.key(this.#boot) : new Key(sign.key);
    const signed = sign.body === undefined ? body : Buffer.from(sign.body);
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'aion-timestamp': sign.timestamp ?? String(timestampMs),
      'aion-counter': String(counter),
      'aion-signature': key.sign({ path, timestampMs, counter, idempotencyKey, body: signed }),
    };
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey;
    if (sign.without !== undefined) delete headers[sign.without];
    return this.#transport.send({ method: 'POST', path, headers, body });
  }
}

/** A step with what is known in the place of names in braces. */
function filled(value: unknown, known: Map<string, string>): unknown {
  if (typeof value === 'string') return value.replace(/\{(\w+)\}/g, (whole, name) => known.get(name) ?? whole);
  if (Array.isArray(value)) return value.map((it) => filled(it, known));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, filled(it, known)]));
}

function differs(expect: Step['expect'], answer: Answer, body: any): string | undefined {
  const told = JSON.stringify(body);
  if (expect.status !== undefined && answer.status !== expect.status) return `HTTP ${answer.status}, and not ${expect.status}: ${told}`;
  if (expect.code !== undefined) return body?.code === expect.code ? undefined : `${body?.code}, and not ${expect.code}: ${told}`;
  const recorded = answer.headers['aion-outcome'] === 'recorded';
  if (expect.recorded !== undefined && recorded !== expect.recorded) return `recorded is ${recorded}`;
  return unlike(expect.body ?? {}, body, 'body');
}

function unlike(wanted: any, got: any, place: string): string | undefined {
  if (typeof wanted !== 'object' || wanted === null) {
    return wanted === got ? undefined : `${place} is ${JSON.stringify(got)}, and not ${JSON.stringify(wanted)}`;
  }
  if (typeof got !== 'object' || got === null) return `${place} is missing`;
  if (Array.isArray(wanted) && wanted.length !== got.length) return `${place} has ${got.length}, and not ${wanted.length}`;
  for (const [name, one] of Object.entries(wanted)) {
    const why = unlike(one, got[name], `${place}.${name}`);
    if (why !== undefined) return why;
  }
  return undefined;
}
