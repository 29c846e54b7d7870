// Who asks: the signed headers of a request, verified as a node does.
import type { IncomingHttpHeaders } from 'node:http';

import type { Key } from '../core/signing.js';
import { bad, refuse } from './shapes.js';

const MAX_AGE_MS = 30_000;
const MAX_AHEAD_MS = 1_000;
const MOST = 2n ** 64n;

/** The idempotency key of a request that `key` signed, and whose counter is not among those used; it is added to them. */
export function verified(
  key: Key,
  used: Set<bigint>,
  path: string,
  headers: IncomingHttpHeaders,
  body: Buffer,
): string | undefined {
  const needed = (name: string): string => {
    const value = headers[name];
    if (typeof value !== 'string') {
      const remedy = 'sign the canonical request with the key of this run of the instance';
      throw refuse('bad-signature', 401, `header ${name} is missing`, remedy);
    }
    return value;
  };
  const signature = needed('aion-signature');
  const timestampMs = decimal('aion-timestamp', needed('aion-timestamp'));
  const counter = decimal('aion-counter', needed('aion-counter'));
  const deadline = headers['aion-deadline-ms'];
  const deadlineMs = deadline === undefined ? undefined : decimal('aion-deadline-ms', String(deadline));
  const idempotencyKey = headers['idempotency-key'] as string | undefined;
  if (idempotencyKey !== undefined && !/^[!-~]{1,64}$/.test(idempotencyKey)) {
    throw bad('header idempotency-key takes 1 to 64 visible ASCII characters');
  }
  if (!key.verifies({ path, timestampMs, counter, idempotencyKey, deadlineMs, body }, signature)) {
    throw refuse('bad-signature', 401, 'the signature is not of this key and request', 'sign with the key of this run');
  }
  const age = Date.now() - Number(timestampMs);
  if (age > MAX_AGE_MS || age < -MAX_AHEAD_MS) {
    throw refuse('stale', 401, 'timestamp is too old or ahead', 'sign the request again with the current time');
  }
  if (counter === 0n || used.has(counter)) {
    throw refuse('replayed', 401, 'counter was used before', 'use a higher counter for every request, retries included');
  }
  used.add(counter);
  return idempotencyKey;
}

function decimal(name: string, text: string): bigint {
  const value = /^(0|[1-9][0-9]{0,19})$/.test(text) ? BigInt(text) : MOST;
  if (value >= MOST) throw bad(`header ${name} is not a number in decimal digits`);
  return value;
}
