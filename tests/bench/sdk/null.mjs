// Signed null syscalls by the SDK, and the same bodies by undici alone to a server that gives them back: which is first changes from
// round to round. Reads the boot document and both sockets from its input; prints a pair of rates for each round.
import { readFileSync } from 'node:fs';

import { Boot, KernelClient } from 'aion-sdk';
import { Client } from 'undici';

const given = JSON.parse(readFileSync(0, 'utf8'));
const body = { text: 'x'.repeat(1000) };
const client = new KernelClient(new Boot(given.boot), { socketPath: given.socket });
const bare = new Client('http://echo', { socketPath: given.echo });
const headers = { 'content-type': 'application/json' };

const signed = () => client.call('sys.null', body);
const echoed = async () => {
  const answer = await bare.request({ method: 'POST', path: '/v1/sys/null', headers, body: JSON.stringify(body) });
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  return answer.body.json();
};

async function rate(call) {
  const begun = performance.now();
  for (let number = 0; number < given.calls; number += 1) await call();
  return (1000 * given.calls) / (performance.now() - begun);
}

// The first round warms both up and does not count.
for (let number = 0; number <= given.rounds; number += 1) {
  const rates = new Map();
  for (const kind of number % 2 ? [signed, echoed] : [echoed, signed]) rates.set(kind, await rate(kind));
  if (number) console.log(rates.get(signed), rates.get(echoed));
}
process.exit(0);
