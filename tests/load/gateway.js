// A load on a gateway, for k6 1.8 or newer: programs that ask a model, whole and as a stream, beside others that look around, each
// at its own pace. What counts is that every answer is right, so the thresholds are about answers and not about time.
//
//   k6 run --no-usage-report -e TOKEN="$(cat ~/.aion/gateway/token)" tests/load/gateway.js
//
// Settings, each with -e NAME=VALUE:
//   URL      the gateway                                  http://127.0.0.1:8421
//   TOKEN    its token, or a key with --may serve         needed
//   MODEL    what is asked: AGENT, or AGENT:MODEL         editor:auto
//   RATE     requests a second that ask                   20
//   SECONDS  how long                                     60
//   CLIENTS  how many ask at once at most                 50
//   EXPECT   what each answer has to hold, if anything
import { check } from 'k6';
import http from 'k6/http';
import { Counter, Rate } from 'k6/metrics';

const URL = __ENV.URL || 'http://127.0.0.1:8421';
const TOKEN = __ENV.TOKEN;
const MODEL = __ENV.MODEL || 'editor:auto';
const RATE = Number(__ENV.RATE || 20);
const DURATION = `${Number(__ENV.SECONDS || 60)}s`;
const CLIENTS = Number(__ENV.CLIENTS || 50);
const EXPECT = __ENV.EXPECT || '';

if (!TOKEN) throw new Error('TOKEN is not set: k6 run -e TOKEN="$(cat ~/.aion/gateway/token)" tests/load/gateway.js');

const headers = { 'Authorization': `Bearer ${TOKEN}`, 'Content-Type': 'application/json' };

// Of all that was asked: answers that are whole and right. A refusal that says when to come again (429, 503 with
// Retry-After) is told apart: that is what a budget is for.
const right = new Rate('answers_right');
const refused = new Counter('answers_refused');

const paced = (exec, rate) => ({
  executor: 'constant-arrival-rate', exec, rate, timeUnit: '1s', duration: DURATION,
  preAllocatedVUs: Math.min(rate, CLIENTS), maxVUs: CLIENTS, gracefulStop: '30s',
});

export const options = {
  scenarios: {
    whole: paced('whole', RATE),
    stream: paced('stream', Math.max(1, RATE / 2)),
    look: paced('look', Math.max(1, RATE / 4)),
  },
  thresholds: { answers_right: ['rate==1'], checks: ['rate==1'], iterations: ['count>0'] },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

function ask(stream) {
  const body = { model: MODEL, stream, messages: [{ role: 'user', content: 'A name for a cat?' }] };
  return http.post(`${URL}/v1/chat/completions`, JSON.stringify(body), { headers });
}

function told(answer, isRight) {
  const comesAgain = [429, 503].includes(answer.status) && answer.headers['Retry-After'] !== undefined;
  if (comesAgain) return refused.add(1);
  const is = answer.status === 200 && isRight(answer);
  if (!is) console.error(`${answer.status} ${answer.error} ${String(answer.body).slice(0, 500)}`);
  right.add(is);
}

export function whole() {
  told(ask(false), (answer) => {
    const { message, finish_reason: reason } = answer.json().choices[0];
    return message.content.includes(EXPECT) && reason === 'stop';
  });
}

export function stream() {
  told(ask(true), (answer) => {
    const events = answer.body.split('\n\n').filter((it) => it.startsWith('data: ')).map((it) => it.slice(6));
    if (events.pop() !== '[DONE]') return false;
    const choices = events.flatMap((it) => JSON.parse(it).choices);
    const text = choices.map((it) => it.delta.content || '').join('');
    return text.includes(EXPECT) && choices.some((it) => it.finish_reason === 'stop');
  });
}

export function look() {
  const models = http.get(`${URL}/v1/models`, { headers });
  check(models, { 'models are listed': (it) => it.status === 200 && it.json().data.length > 0 });
  const agents = http.get(`${URL}/v1/agents`, { headers });
  check(agents, { 'agents are listed': (it) => it.status === 200 && it.json().items.length > 0 });
  // Whoever has no token is told so, however busy the gateway is.
  const stranger = http.get(`${URL}/v1/agents`, { responseCallback: http.expectedStatuses(401) });
  check(stranger, { 'strangers are turned away': (it) => it.status === 401 });
}
