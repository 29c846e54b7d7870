// Functions of a program that its model may call. How they come to be called may not enter.
import { Refused } from './core/refused.js';
import { compiled } from './core/schema.js';
import type { Turn } from './turn.js';

export interface ToolOptions {
  /** What the model calls it; a method's own name where it is not said. */
  name?: string;
  /** What it is for, for the model. */
  description: string;
  /** JSON Schema of its arguments, which they are held to. A keyword that cannot be checked is refused by name. */
  parameters?: Record<string, unknown>;
}

/** A tool, made by `tool` or `@Tool`. Its function is given the model's arguments once they fit, and the turn. */
export interface FunctionTool {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
  run(given: any, turn: Turn): unknown;
}

const ofInstance = new WeakMap<object, FunctionTool[]>();

/** A function as a tool, where there are no decorators: `tool({name, description, parameters}, run)`. */
export function tool(options: ToolOptions & { name: string }, run: (given: any, turn: Turn) => unknown): FunctionTool {
  const { name, description, parameters = { type: 'object', properties: {} } } = options;
  let check: ReturnType<typeof compiled>;
  try {
    check = compiled(parameters);
  } catch (error) {
    throw error instanceof TypeError ? new TypeError(`the tool ${name}: ${error.message}`) : error;
  }
  const checked = (given: unknown, turn: Turn): unknown => {
    const why = check(given, 'arguments');
    if (why !== undefined) throw new Refused({ code: 'bad-request', status: 400, detail: why });
    return run(given, turn);
  };
  return { name, description, parameters, run: checked };
}

/** Has the model use a method. It returns a text, or what is told as JSON. */
export function Tool(options: ToolOptions) {
  return function <This extends object, Given extends [any?, Turn?], Result>(
    method: (this: This, ...given: Given) => Result,
    context: ClassMethodDecoratorContext<This, (this: This, ...given: Given) => Result>,
  ): void {
    if (context.static || context.private) {
      throw new TypeError(`@Tool ${String(context.name)}: a tool is a public method of an instance`);
    }
    context.addInitializer(function () {
      const own = tool({ ...options, name: options.name ?? String(context.name) }, (given, turn) =>
        method.apply(this, [given, turn] as unknown as Given),
      );
      ofInstance.set(this, [...(ofInstance.get(this) ?? []), own]);
    });
  };
}

/** The tools of an instance, by its `@Tool` methods. */
export function toolsOf(instance: object): FunctionTool[] {
  return ofInstance.get(instance) ?? [];
}
