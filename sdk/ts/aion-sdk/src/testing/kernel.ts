// `FakeKernel`: the syscalls of one agent, on a real Unix socket.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

import { type Agent, AgentRuntime } from '../agent.js';
import { Boot } from '../boot.js';
import type { Notice } from '../client.js';
import type { ToolSpec } from '../core/chat.js';
import { Refused } from '../core/refused.js';
import { Key, sha256 } from '../core/signing.js';
import { type OtherAgent, OtherAgents } from './agents.js';
import { MemoryPool } from './memory.js';
import { eventsOf, type Reply, vectorsOf } from './model.js';
import { type Mount, Mounts } from './mounts.js';
import { bad, check, isSyscall, refuse } from './shapes.js';
import { verified } from './verified.js';

const MAX_BODY = 1024 * 1024;
const MAX_CHECKPOINT = 256 * 1024;
// How many outcomes are kept for calls that are made again.
const KEPT = 256;

/** A tool of the fake node: what it answers, a text or what becomes one. One that throws answers that it failed. */
export type FakeTool = (given: any) => unknown;

export interface FakeOptions {
  /** What the model says, in order. */
  replies?: Reply[];
  /** By `tool.operation`. */
  tools?: Record<string, FakeTool>;
  /** Beside `input` and `output`, which are there. */
  mounts?: Record<string, Mount>;
  /** Other agents that may be asked, by name. */
  agents?: Record<string, OtherAgent>;
}

export interface AskOptions {
  /** Files that the caller gives. */
  files?: Record<string, string | Uint8Array>;
  /** A turn that was begun before and runs again: its steps are not done a second time. */
  turn?: number;
  /** What the caller calls the question. */
  messageId?: string;
}

/** What became of a turn, as its caller sees it. */
export interface Asked {
  turn: number;
  /** The program ended well, and said an answer. */
  ok: boolean;
  text?: string;
  /** Why there is none. */
  failed?: string;
  deltas: string[];
  progress: string[];
  notices: string[];
  leftOut: string[];
  /** What is in the mount `output`. */
  files: Record<string, Buffer>;
  /** The syscalls that took effect or were answered, in order. */
  calls: string[];
  /** What a program wrote to standard error. */
  log: string;
}

/** One run of the instance: its key, and the counters that it used. */
interface Run {
  asked: Asked;
  key: Key;
  used: Set<bigint>;
}

interface Outcome {
  digest: string;
  answer: string;
  run: Run;
}

type Fault = Refused | 'hang up';

/** Verifies each syscall, keeps memory and files, has a model say what it is told, and records outcomes by their keys. */
export class FakeKernel implements AsyncDisposable {
  readonly #folder = fs.mkdtempSync(path.join(os.tmpdir(), 'aion-'));
  readonly #server = http.createServer((request, response) => void this.#serve(request, response));
  readonly #mounts = new Map<string, Mount>();
  readonly #files: Mounts;
  readonly #tools: Record<string, FakeTool>;
  readonly #agents: OtherAgents;
  readonly #faults = new Map<string, Fault[]>();
  readonly #recorded = new Map<string, Outcome>();
  #turns = 0;
  #run: Run | undefined;
  readonly socketPath = path.join(this.#folder, 'aion.sock');
  readonly memory = new MemoryPool();
  /** What the model says next. */
  readonly replies: Reply[];
  /** What the model was asked. */
  readonly requests: any[] = [];
  /** What a program is told that listens. */
  readonly notices: Notice[] = [];
  checkpoint: string | undefined;

  private constructor(options: FakeOptions) {
    this.replies = [...(options.replies ?? [])];
    this.#tools = options.tools ?? {};
    this.#agents = new OtherAgents(options.agents ?? {});
    for (const name of ['input', 'output']) {
      const folder = path.join(this.#folder, name);
      fs.mkdirSync(folder);
      this.#mounts.set(name, { folder, writable: name === 'output' });
    }
    for (const [name, mount] of Object.entries(options.mounts ?? {})) this.#mounts.set(name, mount);
    this.#files = new Mounts(this.#mounts);
  }

  static async start(options: FakeOptions = {}): Promise<FakeKernel> {
    const kernel = new FakeKernel(options);
    await new Promise<void>((resolve) => kernel.#server.listen(kernel.socketPath, resolve));
    return kernel;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    fs.rmSync(this.#folder, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Has an agent answer in this process. */
  async ask(agent: Agent, text: string, options: AskOptions = {}): Promise<Asked> {
    const { run, boot } = this.#begin(text, options);
    const status = await AgentRuntime.answer(agent, new Boot(boot), { socketPath: this.socketPath });
    return this.#end(run, status === 0 ? undefined : `the program exited with code ${status}`);
  }

  /** Has a program answer, in any language: a process of its own, with the boot document on a descriptor. */
  async run([command = '', ...rest]: string[], text: string, options: AskOptions = {}): Promise<Asked> {
    const { run, boot } = this.#begin(text, options);
    const document = path.join(this.#folder, 'boot');
    fs.writeFileSync(document, boot, { mode: 0o600 });
    const descriptor = fs.openSync(document, 'r');
    fs.rmSync(document);
    const env = { ...process.env, AION_BOOT_FD: '3', AION_SOCKET: this.socketPath };
    const child = spawn(command, rest, { env, stdio: ['ignore', 'inherit', 'pipe', descriptor] });
    fs.closeSync(descriptor);
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (run.asked.log += part));
    const failed = await new Promise<string | undefined>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (code === 0) resolve(undefined);
        else resolve(code === null ? `the worker was ended by signal ${signal}` : `the program exited with code ${code}`);
      });
    });
    return this.#end(run, failed);
  }

  /** Begins a turn, and gives its boot document: for tests that make the calls themselves. The next turn ends it. */
  begin(text: string, options: AskOptions = {}): string {
    return this.#begin(text, options).boot;
  }

  /** Refuses the next calls of a syscall, before anything is done. */
  refuse(syscall: string, code: string, options: { times?: number; retryAfterMs?: number; status?: number } = {}): void {
    const { times = 1, retryAfterMs = 1, status = 503 } = options;
    const fault = new Refused({ code, status, detail: 'the test refuses it', retryAfterMs });
    this.#faultsOf(syscall).push(...Array<Fault>(times).fill(fault));
  }

  /** Loses the next answers of a syscall, after what was asked for is done. */
  hangUp(syscall: string, times = 1): void {
    this.#faultsOf(syscall).push(...Array<Fault>(times).fill('hang up'));
  }

  #faultsOf(syscall: string): Fault[] {
    const found = this.#faults.get(syscall) ?? [];
    this.#faults.set(syscall, found);
    return found;
  }

  #begin(text: string, { files = {}, turn, messageId }: AskOptions): { run: Run; boot: string } {
    for (const [name, data] of Object.entries(files)) fs.writeFileSync(path.join(this.#folder, 'input', name), data);
    const number = turn ?? this.#turns + 1;
    this.#turns = Math.max(this.#turns, number);
    const secret = randomBytes(32).toString('hex');
    const asked: Asked = {
      turn: number,
      ok: false,
      deltas: [],
      progress: [],
      notices: [],
      leftOut: [],
      files: {},
      calls: [],
      log: '',
    };
    const run = { asked, key: new Key(secret), used: new Set<bigint>() };
    this.#run = run;
    const input = { text, files: Object.keys(files).map((name) => ({ mount: 'input', path: name })), messageId };
    const boot = {
      instance: '00000000-0000-0000-0000-000000000000',
      incarnation: this.#turns,
      turn: number,
      agent: 'default/test',
      key: secret,
      input,
      checkpoint: this.checkpoint,
      turnMs: 300_000,
    };
    return { run, boot: JSON.stringify(boot) };
  }

  #end(run: Run, exited: string | undefined): Asked {
    const { asked } = run;
    this.#run = undefined;
    if (asked.failed === undefined) {
      const failed = exited ?? (asked.text === undefined ? 'the program ended without an answer' : undefined);
      if (failed !== undefined) asked.failed = failed;
    }
    asked.ok = asked.failed === undefined;
    const top = path.join(this.#folder, 'output');
    for (const it of fs.readdirSync(top, { recursive: true, withFileTypes: true })) {
      const file = path.join(it.parentPath, it.name);
      if (it.isFile()) asked.files[path.relative(top, file)] = fs.readFileSync(file);
    }
    return asked;
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const answer = await this.#answer(request.url ?? '', request.headers, Buffer.concat(parts));
      if (answer === 'hang up') {
        response.destroy();
        return;
      }
      const type = answer.isStream ? 'text/event-stream' : 'application/json';
      response.setHeader('content-type', type);
      if (answer.isRecorded) response.setHeader('aion-outcome', 'recorded');
      response.end(answer.body);
    } catch (error) {
      if (response.destroyed) return;
      const told = error instanceof Error ? error.message : String(error);
      const refused = error instanceof Refused ? error : refuse('internal', 500, told, 'this is a fault of FakeKernel');
      response.writeHead(refused.status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify(refused.problem()));
    }
  }

  async #answer(
    url: string,
    headers: http.IncomingHttpHeaders,
    body: Buffer,
  ): Promise<{ body: string; isStream: boolean; isRecorded: boolean } | 'hang up'> {
    const syscall = url.replace(/^\/v1\//, '').replaceAll('/', '.');
    const isNotices = syscall === 'agent.notices';
    if (!url.startsWith('/v1/') || !(isSyscall(syscall) || isNotices)) {
      throw refuse('unknown-syscall', 404, `${url} is not a syscall`, 'see docs/syscalls.md');
    }
    const run = this.#run;
    if (!run) throw refuse('not-running', 409, 'no turn runs', 'start a new turn: this run of the instance has ended');
    const key = verified(run.key, run.used, url, headers, body);
    if (body.length > MAX_BODY) throw refuse('too-large', 413, `a body has at most ${MAX_BODY} bytes`, 'send less at a time');
    const fault = this.#faults.get(syscall)?.shift();
    if (fault instanceof Refused) throw fault;
    if (isNotices) return { body: events(this.notices), isStream: true, isRecorded: false };
    const isRecorded = key !== undefined && this.#recorded.has(key);
    const answer = await this.#recordedOrDone(syscall, key, body, run);
    return fault ?? { body: answer, isStream: syscall === 'model.chat', isRecorded };
  }

  async #recordedOrDone(syscall: string, key: string | undefined, body: Buffer, run: Run): Promise<string> {
    const digest = sha256(syscall, '\n', body).toString('hex');
    const before = key === undefined ? undefined : this.#recorded.get(key);
    if (before) {
      if (before.digest !== digest) {
        throw refuse('idempotency-mismatch', 422, `the key ${key} was used with another body`, 'use a new idempotency key');
      }
      // To a turn that runs again what was said is said again; what was done is not done again.
      if (syscall === 'agent.message' && before.run !== run) {
        before.run = run;
        this.#said(JSON.parse(body.toString()), run.asked);
      }
      return before.answer;
    }
    let asked: any;
    try {
      asked = JSON.parse(body.toString('utf8'));
    } catch {
      throw bad('the body is not JSON');
    }
    check(syscall, asked);
    const answer = await this.#done(syscall, asked, run.asked);
    run.asked.calls.push(syscall);
    if (key !== undefined) {
      this.#recorded.set(key, { digest, answer, run });
      const [oldest] = this.#recorded.keys();
      if (this.#recorded.size > KEPT && oldest !== undefined) this.#recorded.delete(oldest);
    }
    return answer;
  }

  async #done(syscall: string, body: any, asked: Asked): Promise<string> {
    switch (syscall) {
      case 'model.chat': {
        const reply = this.replies.shift();
        if (reply === undefined) {
          throw refuse('unreachable', 502, 'the scripted model has nothing more to say', 'give FakeKernel more replies');
        }
        this.requests.push(body);
        return events(eventsOf(reply, body));
      }
      case 'model.embed':
        this.requests.push(body);
        return JSON.stringify(vectorsOf(body));
      case 'tool.list':
        return JSON.stringify({ tools: Object.keys(this.#tools).map(specOf) });
      case 'tool.call':
        return JSON.stringify(await this.#called(body));
      case 'memory.remember':
        return JSON.stringify(this.memory.remember(body));
      case 'memory.recall':
        return JSON.stringify(this.memory.recall(body));
      case 'memory.forget':
        return JSON.stringify(this.memory.forget(body));
      case 'fs.read':
        return JSON.stringify(this.#files.read(body));
      case 'fs.write':
        return JSON.stringify(this.#files.write(body));
      case 'fs.list':
        return JSON.stringify(this.#files.list(body));
      case 'agent.checkpoint':
        if (Buffer.byteLength(body.state) > MAX_CHECKPOINT) {
          throw refuse('too-large', 413, `a checkpoint has at most ${MAX_CHECKPOINT} bytes`, 'keep less');
        }
        this.checkpoint = body.state;
        return '{}';
      case 'agent.message':
        this.#said(body, asked);
        return '{}';
      case 'agent.ask':
        return JSON.stringify(await this.#agents.begin(body, asked.turn, ++this.#turns));
      case 'agent.spawn': {
        const turn = ++this.#turns;
        await this.#agents.begin(body, asked.turn, turn);
        return JSON.stringify({ turn });
      }
      case 'agent.wait':
        return JSON.stringify(this.#agents.ended(body, asked.turn));
      case 'agent.cancel':
        this.#agents.ended(body, asked.turn);
        return '{}';
      default:
        return '{}';
    }
  }

  async #called({ name, arguments: given = {} }: { name: string; arguments?: unknown }): Promise<object> {
    const tool = Object.hasOwn(this.#tools, name) ? this.#tools[name] : undefined;
    if (!tool) throw refuse('denied', 403, `tool.call ${name}: no rule allows it`, 'ask for it under spec.permissions');
    try {
      const result = await tool(given);
      if (typeof result === 'string') return { text: result, isError: false };
      return { text: JSON.stringify(result), structured: result, isError: false };
    } catch (error) {
      return { text: error instanceof Error ? error.message : String(error), isError: true };
    }
  }

  #said({ kind, text }: { kind: string; text: string }, asked: Asked): void {
    if (asked.text !== undefined || asked.failed !== undefined) throw bad("the turn's output has ended with its answer");
    if (kind === 'final') asked.text = text;
    else if (kind === 'failed') asked.failed = text;
    else if (kind === 'leftOut') asked.leftOut.push(text);
    else if (kind === 'delta') asked.deltas.push(text);
    else if (kind === 'progress') asked.progress.push(text);
    else asked.notices.push(text);
  }
}

function specOf(name: string): ToolSpec {
  return { name, description: `The tool ${name} of the test`, parameters: { type: 'object' } };
}

function events(all: object[]): string {
  return all.map((it) => `data: ${JSON.stringify(it)}\n\n`).join('');
}
