// One turn: what was asked, and the syscalls to answer it with.
import type { Boot, GivenFile } from './boot.js';
import { type ClientOptions, KernelClient } from './client.js';

export class Turn extends KernelClient {
  /** What was asked. */
  readonly text: string;
  /** The files that the caller gave: `turn.files.read(mount, path)`. */
  readonly given: readonly GivenFile[];
  /** `namespace/agent`. */
  readonly agent: string;
  /** The turn's number, as `aionctl why` shows it. */
  readonly number: number;
  /** What the caller calls this question, where it says so, as in A2A. It is the caller's own word. */
  readonly messageId: string | undefined;
  /** What the last `checkpoint` kept, in an earlier turn. */
  readonly state: string | undefined;
  /** How long the turn may take, from the start of the program. */
  readonly turnMs: number | undefined;

  constructor(boot: Boot, options: ClientOptions = {}) {
    super(boot, options);
    this.text = boot.text;
    this.given = boot.files;
    this.agent = boot.agent;
    this.number = boot.turn;
    this.messageId = boot.messageId;
    this.state = boot.checkpoint;
    this.turnMs = boot.turnMs;
  }
}
