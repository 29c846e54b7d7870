// The boot document: all that a program is told, on a descriptor (docs/process-abi.md).
import { closeSync, readFileSync } from 'node:fs';

import { Key } from './core/signing.js';

/** A file that the caller of a turn gave. */
export interface GivenFile {
  mount: string;
  path: string;
}

/** The document, its key where nothing that prints shows it. */
export class Boot {
  readonly #key: Key;
  readonly instance: string;
  readonly incarnation: number;
  readonly turn: number;
  /** `namespace/agent`. */
  readonly agent: string;
  readonly text: string;
  readonly files: readonly GivenFile[];
  readonly messageId: string | undefined;
  readonly checkpoint: string | undefined;
  readonly turnMs: number | undefined;

  /** Of its text, or of what was read of that. */
  constructor(document: string | Record<string, any>) {
    const read = typeof document === 'string' ? parsed(document) : document;
    this.#key = new Key(read['key']);
    this.instance = read['instance'] ?? '';
    this.incarnation = read['incarnation'] ?? 0;
    this.turn = read['turn'];
    this.agent = read['agent'];
    this.text = read['input']?.text ?? '';
    this.files = read['input']?.files ?? [];
    this.messageId = read['input']?.messageId;
    this.checkpoint = read['checkpoint'];
    this.turnMs = read['turnMs'];
  }

  /** For the client; a document gives its key to nobody else. */
  static key(boot: Boot): Key {
    return boot.#key;
  }

  /** What this process was started with. The descriptor is closed, so that no process it starts has it. */
  static inherited(): Boot {
    const named = process.env['AION_BOOT_FD'];
    delete process.env['AION_BOOT_FD'];
    if (!named || !/^\d+$/.test(named)) {
      throw new Error(
        'AION_BOOT_FD is not set: this program is started by a node, or by FakeKernel of aion-sdk/testing, or says as ' +
          'AION_AGENT which agent of runtime external it serves',
      );
    }
    const text = readFileSync(Number(named), 'utf8');
    closeSync(Number(named));
    return new Boot(text);
  }
}

function parsed(text: string): Record<string, any> {
  try {
    return JSON.parse(text);
  } catch {
    // What the parser says would quote the document.
    throw new Error('the boot document is not JSON');
  }
}
