// The events of a `text/event-stream` body: `data:` lines, an empty line between events (WHATWG HTML, 9.2). What an event
// means may not enter.
import { objectIn } from './json.js';
import { Refused } from './refused.js';

// An event is held whole; a turn's answer is much smaller.
const MAX_EVENT = 32 * 1024 * 1024;

/** Bytes in, whole `data` values out. Other fields and comments are passed over. */
export class Decoder {
  #pending = '';
  #data: string[] = [];
  // Characters since the last event's end.
  #held = 0;
  // A CR at the end of a piece may be the first half of CRLF.
  #afterCr = false;
  readonly #text = new TextDecoder();

  feed(bytes: Uint8Array): string[] {
    const events: string[] = [];
    let text = this.#text.decode(bytes, { stream: true });
    if (this.#afterCr && text.startsWith('\n')) text = text.slice(1);
    if (text) this.#afterCr = text.endsWith('\r');
    // What is pending has no end of a line in it: it is not looked through again, however long it becomes.
    const [first = '', ...others] = text.split(/\r\n|\n|\r/);
    const lines = [this.#pending + first, ...others];
    this.#pending = lines.pop() ?? '';
    this.#held += text.length;
    if (this.#held > MAX_EVENT) throw new Refused({ code: 'too-large', detail: `an event has more than ${MAX_EVENT} characters` });
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push(this.#data.join('\n'));
        this.#data = [];
        this.#held = 0;
      } else if (line.startsWith('data:')) {
        this.#data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      }
    }
    return events;
  }
}

/** The JSON objects of a stream of bytes. */
export async function* objects(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Record<string, unknown>, void, void> {
  const decoder = new Decoder();
  for await (const part of bytes) {
    for (const data of decoder.feed(part)) yield objectIn(data);
  }
}
