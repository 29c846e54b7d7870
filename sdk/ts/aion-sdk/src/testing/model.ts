// What a scripted model answers.

/** The model asks for a tool. */
export interface ToolReply {
  name: string;
  arguments: Record<string, unknown>;
}

/** Exactly these events of `model.chat`: `{event: 'start', …}` and so on. */
export type EventsReply = Record<string, unknown>[];

/** A text, a tool that is asked for, or events. */
export type Said = string | ToolReply | EventsReply;

/** What is said, or how it is made of the request. */
export type Reply = Said | ((request: any) => Said);

/** The stream of an answer. */
export function eventsOf(reply: Reply, request: unknown): EventsReply {
  const said = typeof reply === 'function' ? reply(request) : reply;
  if (Array.isArray(said)) return said;
  const events: EventsReply =
    typeof said === 'string'
      ? said.split(/(?= )/).map((text) => ({ event: 'delta', text }))
      : [{ event: 'toolCall', id: `call-${said.name}`, name: said.name, arguments: JSON.stringify(said.arguments) }];
  const finish = typeof said === 'string' ? 'stop' : 'tool-calls';
  const usage = { inputTokens: Math.ceil(JSON.stringify(request).length / 4), outputTokens: events.length, estimated: true };
  return [{ event: 'start', model: 'fake/scripted' }, ...events, { event: 'end', finish, usage }];
}

/** Vectors of texts, without a model: alike where the words are. */
export function vectorsOf({ texts, dimensions = 16 }: { texts: string[]; dimensions?: number }): object {
  const hash = (word: string) => Array.from(word).reduce((sum, it) => (sum * 31 + it.charCodeAt(0)) >>> 0, 7);
  const vectors = texts.map((text) => {
    const view = new DataView(new ArrayBuffer(dimensions * 4));
    for (const word of text.toLowerCase().split(/\s+/).filter(Boolean)) {
      const at = (hash(word) % dimensions) * 4;
      view.setFloat32(at, view.getFloat32(at, true) + 1, true);
    }
    return Buffer.from(view.buffer).toString('base64');
  });
  const inputTokens = Math.ceil(texts.join('').length / 4);
  return { model: 'fake/scripted', vectors, usage: { inputTokens, outputTokens: 0 } };
}
