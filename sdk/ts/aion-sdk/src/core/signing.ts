// Signatures of syscalls (docs/syscalls.md, "Signing"). Clocks and counters may not enter.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** What is signed of a request. Numbers may be larger than those of JavaScript are exact to. */
export interface Canonical {
  path: string;
  timestampMs: number | bigint;
  counter: number | bigint;
  idempotencyKey?: string | undefined;
  deadlineMs?: number | bigint | undefined;
  body: Uint8Array;
}

export function canonical(request: Canonical): string {
  const { path, timestampMs, counter, idempotencyKey = '', deadlineMs = '', body } = request;
  return ['AION-HMAC-SHA256-V1', 'POST', path, timestampMs, counter, idempotencyKey, deadlineMs, sha256(body).toString('hex')].join('\n');
}

export function sha256(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The key of one run of one instance. Nothing that prints shows it. */
export class Key {
  readonly #bytes: Buffer;

  constructor(hex: unknown) {
    // The text is not in the message, which may be logged.
    if (typeof hex !== 'string' || !/^[0-9a-f]{64}$/i.test(hex)) throw new TypeError('a key is 64 hex digits');
    this.#bytes = Buffer.from(hex, 'hex');
  }

  sign(request: Canonical): string {
    return createHmac('sha256', this.#bytes).update(canonical(request)).digest('hex');
  }

  verifies(request: Canonical, signature: string): boolean {
    const wanted = Buffer.from(this.sign(request));
    const given = Buffer.from(signature);
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  }

  toString(): string {
    return 'Key(hidden)';
  }
}
