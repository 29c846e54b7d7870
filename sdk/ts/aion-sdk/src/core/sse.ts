// The events of a `text/event-stream` body: `data:` lines, an empty line between events (WHATWG HTML, 9.2). What an event
// means may not enter.

/** Bytes in, whole `data` values out. Other fields and comments are passed over. */
export class Decoder {
  #pending = '';
  #data: string[] = [];
  // A CR at the end of a piece may be the first half of CRLF.
  #afterCr = false;
  readonly #text = new TextDecoder();

  feed(bytes: Uint8Array): string[] {
    const events: string[] = [];
    let text = this.#text.decode(bytes, { stream: true });
    if (this.#afterCr && text.startsWith('\n')) text = text.slice(1);
    if (text) this.#afterCr = text.endsWith('\r');
    const lines = (this.#pending + text).split(/\r\n|\n|\r/);
    this.#pending = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push(this.#data.join('\n'));
        this.#data = [];
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
    for (const data of decoder.feed(part)) yield JSON.parse(data) as Record<string, unknown>;
  }
}
