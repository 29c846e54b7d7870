// The syscalls of AION-OS, for an agent of runtime `process`, with Node's standard library alone.
//
// The boot document is on the descriptor that AION_BOOT_FD names, the node at /run/aion.sock. docs/process-abi.md says
// what both are, docs/syscalls.md what a call is. What an agent does with its turn may not enter.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

const SOCKET = '/run/aion.sock';
// Refusals that pass by themselves: the table of docs/process-abi.md.
const PASSING = ['overloaded', 'restarting', 'stale'];
// How long a call is tried again while the node is away, restarted or busy.
const PATIENCE_MS = 30_000;
// Between two tries where the node names no pause.
const PAUSE_MS = 200;

/** The node refused a call. `code` is stable, the text is for people. */
class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? 'refused');
    this.code = problem.code ?? 'internal';
    this.remedy = problem.remedy;
  }
}

/** One turn: its input, and its calls. */
class Node {
  #socketPath;
  #key;
  #turn;
  #counter = 0;
  #calls = 0;

  constructor(socketPath = SOCKET) {
    this.#socketPath = socketPath;
    const descriptor = Number(process.env.AION_BOOT_FD);
    const boot = JSON.parse(fs.readFileSync(descriptor, 'utf8'));
    fs.closeSync(descriptor);
    this.#key = Buffer.from(boot.key, 'hex');
    this.#turn = boot.turn;
    this.agent = boot.agent;
    this.text = boot.input.text ?? '';
    this.files = boot.input.files ?? [];
    this.checkpoint = boot.checkpoint;
  }

  /**
   * Makes the call `name`, such as `memory.recall`, and gives its answer. Sent again with the same idempotency key while
   * the node is away or busy, so it takes effect once; and by its number within the turn, so that nothing is done twice
   * where the turn runs again on another launcher.
   */
  async call(name, body = {}) {
    const key = `t${this.#turn}.${++this.#calls}`;
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      let problem;
      let passes = true;
      try {
        const { status, answer } = await this.#once(name, Buffer.from(JSON.stringify(body)), key);
        if (status === 200) return answer;
        problem = answer;
        passes = PASSING.includes(answer.code);
      } catch (lost) {
        problem = { code: 'unreachable', detail: `the node does not answer: ${lost.message}` };
      }
      // Never less than the node names, and a random part more: it names the same to others.
      const again = (problem.retryAfterMs ?? PAUSE_MS) * (1 + Math.random() / 2);
      if (!passes || performance.now() + again > until) throw new Refused(problem);
      await sleep(again);
    }
  }

  /**
   * Has `hear` told what the node says without being asked, such as `{notice: 'pressure', …}`, until the turn ends. Opened
   * anew where the daemon was restarted in between; it does not keep the program from ending.
   */
  listen(hear) {
    let lost = false;
    const again = () => {
      if (lost) return;
      lost = true;
      setTimeout(() => this.listen(hear), PAUSE_MS).unref();
    };
    const request = this.#request('agent.notices', Buffer.from('{}'), '', (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        response.on('end', again);
        return;
      }
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        const lines = (rest + part).split('\n');
        rest = lines.pop();
        for (const line of lines) if (line.startsWith('data: ')) hear(JSON.parse(line.slice(6)));
      });
      response.on('error', again);
      response.on('end', again);
    });
    request.on('socket', (socket) => socket.unref());
    request.on('error', again);
  }

  #request(name, body, key, hear) {
    const path = `/v1/${name.replaceAll('.', '/')}`;
    const stamp = String(Date.now());
    const counter = String(++this.#counter);
    const digest = crypto.createHash('sha256').update(body).digest('hex');
    // The empty line is the deadline, which is left to the node.
    const signed = ['AION-HMAC-SHA256-V1', 'POST', path, stamp, counter, key, '', digest].join('\n');
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      'aion-timestamp': stamp,
      'aion-counter': counter,
      'aion-signature': crypto.createHmac('sha256', this.#key).update(signed).digest('hex'),
    };
    if (key) headers['idempotency-key'] = key;
    const request = http.request({ socketPath: this.#socketPath, method: 'POST', path, headers }, hear);
    request.end(body);
    return request;
  }

  #once(name, body, key) {
    return new Promise((resolve, reject) => {
      const request = this.#request(name, body, key, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode, answer: JSON.parse(Buffer.concat(parts).toString('utf8')) });
          } catch (broken) {
            reject(broken);
          }
        });
      });
      request.on('error', reject);
    });
  }
}

module.exports = { Node, Refused };
