// Arguments against their JSON Schema: a part of 2020-12, and what is beyond it is refused where a tool is made. What is called
// with them may not enter.

type Schema = Record<string, unknown>;
type Check = (value: unknown, place: string) => string | undefined;

// They say something to the model and hold nothing; `format` does not either, by the specification.
const TOLD = new Set(['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'deprecated', 'format']);

const TYPES: Record<string, (value: unknown) => boolean> = {
  string: (it) => typeof it === 'string',
  number: (it) => typeof it === 'number',
  integer: Number.isInteger,
  boolean: (it) => typeof it === 'boolean',
  null: (it) => it === null,
  array: Array.isArray,
  object: isObject,
};

const KEYWORDS: Record<string, (value: any, schema: Schema, where: string) => Check> = {
  type: typeCheck,
  enum: (all: unknown[]) => (it, place) =>
    all.some((one) => same(one, it)) ? undefined : `${place} must be one of ${JSON.stringify(all)}`,
  const: (one) => (it, place) => (same(one, it) ? undefined : `${place} must be ${JSON.stringify(one)}`),
  minimum: (least: number) => bound(numberOf, (it) => it >= least, `at least ${least}`),
  maximum: (most: number) => bound(numberOf, (it) => it <= most, `at most ${most}`),
  exclusiveMinimum: (least: number) => bound(numberOf, (it) => it > least, `more than ${least}`),
  exclusiveMaximum: (most: number) => bound(numberOf, (it) => it < most, `less than ${most}`),
  minLength: (least: number) => bound(lengthOf, (it) => it >= least, `of at least ${least} characters`),
  maxLength: (most: number) => bound(lengthOf, (it) => it <= most, `of at most ${most} characters`),
  minItems: (least: number) => bound(countOf, (it) => it >= least, `of at least ${least} items`),
  maxItems: (most: number) => bound(countOf, (it) => it <= most, `of at most ${most} items`),
  pattern: patternCheck,
  items: (of: unknown, _, where) => {
    const check = compiled(of, `${where}.items`);
    return (it, place) => (Array.isArray(it) ? first(it.map((one, at) => () => check(one, `${place}[${at}]`))) : undefined);
  },
  required: (names: string[]) => (it, place) => {
    const missing = isObject(it) ? names.find((name) => !Object.hasOwn(it, name)) : undefined;
    return missing === undefined ? undefined : `${place}.${missing} is missing`;
  },
  properties: (of: Record<string, unknown>, _, where) => {
    const checks = Object.entries(of).map(([name, one]) => [name, compiled(one, `${where}.properties.${name}`)] as const);
    return (it, place) =>
      isObject(it)
        ? first(checks.map(([name, check]) => () => (Object.hasOwn(it, name) ? check(it[name], `${place}.${name}`) : undefined)))
        : undefined;
  },
  additionalProperties: (of: unknown, schema, where) => {
    const known = Object.keys((schema['properties'] as object | undefined) ?? {});
    const check: Check =
      of === false
        ? (_, place) => `${place} is not known; there are: ${known.join(', ') || 'none'}`
        : compiled(of, `${where}.additionalProperties`);
    return (it, place) => {
      const others = isObject(it) ? Object.entries(it).filter(([name]) => !known.includes(name)) : [];
      return first(others.map(([name, one]) => () => check(one, `${place}.${name}`)));
    };
  },
  anyOf: (all: unknown[], _, where) => {
    const checks = all.map((one, at) => compiled(one, `${where}.anyOf[${at}]`));
    return (it, place) =>
      checks.some((check) => check(it, place) === undefined) ? undefined : `${place} must fit one of ${JSON.stringify(all)}`;
  },
};

/** What holds arguments to a schema: it says what is wrong. Throws `TypeError` where a keyword is not among those it knows. */
export function compiled(schema: unknown, where = 'parameters'): Check {
  if (schema === true) return () => undefined;
  if (!isObject(schema)) throw new TypeError(`${where}: a schema is an object or true`);
  const checks = Object.entries(schema)
    .filter(([keyword]) => !TOLD.has(keyword))
    .map(([keyword, value]) => {
      const make = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
      if (!make) {
        const known = Object.keys(KEYWORDS).join(', ');
        throw new TypeError(`${where}: the keyword ${keyword} cannot be checked; use ${known}, and check the rest in the function`);
      }
      return make(value, schema, where);
    });
  return (it, place) => first(checks.map((check) => () => check(it, place)));
}

function typeCheck(types: string | string[], _: Schema, where: string): Check {
  const names = [types].flat();
  for (const name of names) {
    if (!Object.hasOwn(TYPES, name)) throw new TypeError(`${where}: there is no type ${JSON.stringify(name)}`);
  }
  return (it, place) =>
    names.some((name) => TYPES[name]?.(it)) ? undefined : `${place} must be of type ${names.join(' or ')}`;
}

function patternCheck(text: string, _: Schema, where: string): Check {
  let pattern: RegExp;
  try {
    pattern = new RegExp(text, 'u');
  } catch {
    throw new TypeError(`${where}: ${JSON.stringify(text)} is not a pattern`);
  }
  return (it, place) => (typeof it !== 'string' || pattern.test(it) ? undefined : `${place} must match ${text}`);
}

/** A bound of what has that measure; anything else is the business of `type`. */
function bound(measure: (value: unknown) => number | undefined, fits: (measured: number) => boolean, wanted: string): Check {
  return (it, place) => {
    const measured = measure(it);
    return measured === undefined || fits(measured) ? undefined : `${place} must be ${wanted}`;
  };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function lengthOf(value: unknown): number | undefined {
  return typeof value === 'string' ? [...value].length : undefined;
}

function countOf(value: unknown): number | undefined {
  return Array.isArray(value) ? value.length : undefined;
}

function first(checks: (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const why = check();
    if (why !== undefined) return why;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two values of JSON are the same. */
function same(one: unknown, other: unknown): boolean {
  if (Array.isArray(one)) return Array.isArray(other) && one.length === other.length && one.every((it, at) => same(it, other[at]));
  if (!isObject(one)) return one === other;
  const names = Object.keys(one);
  return (
    isObject(other) &&
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]))
  );
}
