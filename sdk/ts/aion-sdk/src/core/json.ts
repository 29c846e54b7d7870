// JSON that others send.
import { Refused } from './refused.js';

/** The object in an answer or event. */
export function objectIn(text: string): Record<string, unknown> {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    throw new Refused({ code: 'internal', detail: 'the answer is not a JSON object' });
  }
  return found as Record<string, unknown>;
}
