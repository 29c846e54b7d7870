// The gateway of this user's node, as `aionctl local start` leaves it.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import type { GatewayOptions } from './gateway/door.js';
import { Gateway } from './gateway/gateway.js';

const URL = 'http://127.0.0.1:8421';

/** What differs from the gateway of this user's node. */
export interface LocalOptions {
  /** `AION_GATEWAY_URL`, else that of `aionctl local start`. */
  url?: string;
  token?: string;
  /** `AION_GATEWAY_TOKEN_FILE`, else where `aionctl local start` writes it. */
  tokenFile?: string;
  namespace?: string;
  approverToken?: string;
  /** Where the approver's token is, else `AION_APPROVER_TOKEN_FILE`; it is looked for nowhere else. */
  approverTokenFile?: string;
}

/** The gateway of this user's node, or of the environment, or of the options. */
export function localGateway(options: LocalOptions = {}): Gateway {
  return new Gateway(localOptions(options));
}

export function localOptions({ url, token, tokenFile, namespace, ...approver }: LocalOptions): GatewayOptions {
  const approverFile = approver.approverTokenFile ?? process.env['AION_APPROVER_TOKEN_FILE'];
  const approverToken = approver.approverToken ?? (approverFile ? read(approverFile, "the approver's token", SAID) : undefined);
  return {
    url: url ?? (process.env['AION_GATEWAY_URL'] || URL),
    token: token ?? read(tokenFile ?? (process.env['AION_GATEWAY_TOKEN_FILE'] || join(homedir(), '.aion/gateway/token')), "the gateway's token", STARTED),
    ...(approverToken !== undefined && { approverToken }),
    ...(namespace !== undefined && { namespace }),
  };
}

const STARTED = 'start the node (aionctl local start), or say where it is (AION_GATEWAY_TOKEN_FILE)';
const SAID = 'it is in config/approver.token of the node, for whoever may answer';

function read(file: string, what: string, remedy: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${what} cannot be read: ${why}; ${remedy}`);
  }
}
