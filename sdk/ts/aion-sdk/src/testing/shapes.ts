// The bodies of syscalls: which fields there are and what they hold. Unknown fields are refused, as by a node.
import { CODES, Refused } from '../core/refused.js';

type Check = (value: unknown, place: string) => void;
type Fields = Record<string, Check>;

/** A refusal with the status that its code has. */
export function refuse(code: string, status: number, detail: string, remedy: string): Refused {
  return new Refused({ code, status, detail, remedy });
}

export function bad(detail: string): Refused {
  return refuse('bad-request', 400, detail, 'compare the request with the shape in docs/syscalls.md');
}

const anything: Check = () => {};

function typed(type: 'string' | 'boolean'): Check {
  return (value, place) => {
    if (typeof value !== type) throw bad(`${place}: it is not a ${type}`);
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneOf(...words: string[]): Check {
  return (value, place) => {
    if (!words.includes(value as string)) throw bad(`${place}: it is none of ${words.join(', ')}`);
  };
}

function number(least: number, most: number = Number.MAX_SAFE_INTEGER): Check {
  return (value, place) => {
    if (!Number.isInteger(value)) throw bad(`${place}: it is not a whole number`);
    if ((value as number) < least || (value as number) > most) throw bad(`${place}: it must be ${least} to ${most}`);
  };
}

function text(least: number, most: number): Check {
  return (value, place) => {
    typed('string')(value, place);
    const bytes = Buffer.byteLength(value as string);
    if (bytes < least || bytes > most) throw bad(`${place}: it has ${bytes} bytes, and must have ${least} to ${most}`);
  };
}

function list(of: Check, least = 0, most = 10_000): Check {
  return (value, place) => {
    if (!Array.isArray(value)) throw bad(`${place}: it is not a list`);
    if (value.length < least || value.length > most) {
      throw bad(`${place}: there are ${value.length}, and must be ${least} to ${most}`);
    }
    value.forEach((one, at) => of(one, `${place}[${at}]`));
  };
}

function object(needed: Fields, optional: Fields = {}): Check {
  return (value, place) => {
    if (!isObject(value)) throw bad(`${place || 'the body'}: it is not an object`);
    const missing = Object.keys(needed).find((name) => !Object.hasOwn(value, name));
    if (missing) throw bad(`${place}: the field ${missing} is missing`);
    for (const [name, one] of Object.entries(value)) {
      const check = Object.hasOwn(needed, name) ? needed[name] : Object.hasOwn(optional, name) ? optional[name] : undefined;
      if (!check) throw bad(`${place}: the field ${name} is not known`);
      check(one, place ? `${place}.${name}` : name);
    }
  };
}

const texts: Check = (value, place) => {
  if (!isObject(value)) throw bad(`${place}: it is not an object`);
  if (Object.keys(value).length > 16) throw bad(`${place}: there may be 16`);
  for (const [name, one] of Object.entries(value)) text(0, Math.max(0, 1024 - Buffer.byteLength(name)))(one, `${place}.${name}`);
};

const id = text(1, 1024);
const collection = text(0, 256);
const item = object({ text: text(1, 64 * 1024) }, { id, collection, attributes: texts });
const use = object({ id: typed('string'), name: typed('string'), arguments: typed('string') });
const message = object(
  { role: oneOf('system', 'user', 'assistant', 'tool') },
  { content: typed('string'), toolCalls: list(use), toolCallId: typed('string') },
);
const tool = object({ name: typed('string'), description: typed('string'), parameters: anything }, { strict: typed('boolean') });
const mount = text(1, 63);
const asked = object({ agent: text(1, 63), input: typed('string') }, { delegate: list(typed('string')), deadlineMs: number(0) });
const begun = object({ turn: number(0) });
const path = typed('string');

const toolChoice: Check = (value, place) => {
  if (isObject(value)) object({ tool: typed('string') })(value, place);
  else oneOf('auto', 'none', 'required')(value, place);
};

const responseFormat: Check = (value, place) => {
  const type = oneOf('jsonObject', 'jsonSchema');
  const schema = isObject(value) && value['type'] === 'jsonSchema';
  const of: Fields = { name: typed('string'), schema: anything };
  const may: Fields = { description: typed('string'), strict: typed('boolean') };
  (schema ? object({ type, ...of }, may) : object({ type }))(value, place);
};

const forget: Check = (value, place) => {
  if (!isObject(value)) throw bad('the body is not an object');
  const by = oneOf('ids', 'collection');
  if (value['by'] === 'ids') object({ by, ids: list(id, 1, 256) })(value, place);
  else object({ by, collection }, { attributes: texts })(value, place);
};

const shapes: Fields = {
  'sys.null': anything,
  'model.chat': object(
    { messages: list(message, 1) },
    {
      model: typed('string'),
      whole: typed('boolean'),
      atOnce: typed('boolean'),
      tools: list(tool),
      maxTokens: number(0, 2 ** 32 - 1),
      temperatureMilli: number(0, 2 ** 32 - 1),
      topPMilli: number(0, 2 ** 32 - 1),
      stop: list(typed('string')),
      toolChoice,
      responseFormat,
    },
  ),
  'model.embed': object(
    { texts: list(text(1, 2 ** 20), 1, 256) },
    { model: typed('string'), dimensions: number(1, 8192) },
  ),
  'tool.list': object({}),
  'tool.call': object({ name: text(1, 192) }, { arguments: anything, link: typed('string') }),
  'memory.remember': object({ items: list(item, 1, 256) }),
  'memory.recall': object(
    { query: text(0, 8 * 1024), k: number(1, 100) },
    { collection, attributes: texts, ids: list(id, 0, 100), offset: number(0) },
  ),
  'memory.forget': forget,
  'fs.read': object({ mount, path, length: number(1, 512 * 1024) }, { offset: number(0), version: typed('string') }),
  'fs.write': object({ mount, path, data: typed('string'), mode: oneOf('replace', 'append', 'create-new') }),
  'fs.list': object(
    { mount, limit: number(1, 1000) },
    { path, recursive: typed('boolean'), after: typed('string'), unless: typed('string') },
  ),
  'agent.message': object(
    { text: typed('string'), kind: oneOf('progress', 'notice', 'leftOut', 'delta', 'final', 'failed') },
    {
      problem: object(
        {
          type: typed('string'),
          title: typed('string'),
          status: number(0, 65_535),
          detail: typed('string'),
          code: oneOf(...CODES),
          remedy: typed('string'),
        },
        { call: number(0), retryAfterMs: number(0) },
      ),
      // Steps are told of by the runner of `spec.steps` alone.
      steps: list(anything, 0, 0),
    },
  ),
  'agent.checkpoint': object({ state: typed('string') }),
  'agent.ask': asked,
  'agent.spawn': asked,
  'agent.wait': begun,
  'agent.cancel': begun,
};

/** Checks the body of a syscall. */
export function check(syscall: string, body: unknown): void {
  shapes[syscall]?.(body, '');
}

export function isSyscall(name: string): boolean {
  return Object.hasOwn(shapes, name);
}
