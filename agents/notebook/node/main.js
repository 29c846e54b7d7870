// A notebook: keeps what it is told, counts the lines of the files it is given, and has its tool say it again.
//
// An example of an agent in JavaScript: memory, files and a tool, each by a syscall.
'use strict';

const { Node, Refused } = require('./aion.js');

// Of a file, for one call.
const PART = 256 * 1024;
const NEWLINE = 10;

/** How many lines a file of the caller's has. Its parts are of one version, or the node says `changed`. */
async function linesOf(node, { mount, path }) {
  let offset = 0;
  let lines = 0;
  let last = NEWLINE;
  let version;
  for (;;) {
    const part = await node.call('fs.read', { mount, path, offset, length: PART, version });
    const data = Buffer.from(part.data, 'base64');
    if (data.length === 0) return lines + (last === NEWLINE ? 0 : 1);
    lines += data.filter((byte) => byte === NEWLINE).length;
    last = data[data.length - 1];
    offset += data.length;
    version = part.version ?? version;
  }
}

/** What it may call; an agent without tools may not even ask. */
async function toolsOf(node) {
  try {
    return (await node.call('tool.list')).tools;
  } catch (refused) {
    if (refused.code !== 'denied') throw refused;
    return [];
  }
}

async function answer(node) {
  const said = [];
  const known = await node.call('memory.recall', { query: '', k: 100 });
  if (node.text) {
    await node.call('memory.remember', { items: [{ text: node.text }] });
    said.push(`Noted: ${node.text}`);
  }
  said.push(`Notes before this one: ${known.hits.length}`);
  for (const file of node.files) said.push(`${file.path}: ${await linesOf(node, file)} lines`);
  for (const { name } of await toolsOf(node)) {
    if (name.endsWith('.echo')) {
      const called = await node.call('tool.call', { name, arguments: { text: node.text } });
      said.push(`${name} says ${called.text}`);
    }
  }
  const report = `${said.join('\n')}\n`;
  const data = Buffer.from(report).toString('base64');
  await node.call('fs.write', { mount: 'output', path: 'notebook.txt', data, mode: 'replace' });
  return report;
}

async function main() {
  const node = new Node();
  node.listen((notice) => {
    if (notice.notice !== 'pressure') return;
    // What can be had again is given back before the kernel ends what holds too much.
    globalThis.gc?.();
    console.log(`memory pressure: ${notice.heldBytes >> 20} of ${notice.mostBytes >> 20} MiB`);
  });
  console.log(`${node.agent} runs on Node ${process.versions.node}`);
  try {
    await node.call('agent.message', { kind: 'final', text: await answer(node) });
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    const advice = refused.remedy ? `; ${refused.remedy}` : '';
    await node.call('agent.message', { kind: 'failed', text: `${refused.message}${advice}` });
    process.exitCode = 1;
  }
}

main();
