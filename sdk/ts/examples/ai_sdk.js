// Vercel's AI SDK: an agent with models, tools and memory of AION-OS. Lines that end with `// AION-OS` would be otherwise without it.

import { createMCPClient } from '@ai-sdk/mcp';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs } from 'ai';
import { agent, AgentRuntime } from 'aion-sdk';

const { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey } = process.env;
const headers = { Authorization: `Bearer ${apiKey}` };
const models = createOpenAICompatible({ name: 'aion', baseURL, apiKey }); // AION-OS

await AgentRuntime.run(agent({
  async turn(turn) {
    const { hits } = await turn.memory.recall(turn.text, { k: 3 }); // AION-OS
    const url = baseURL.replace('/v1', '/mcp'); // AION-OS
    const client = await createMCPClient({ transport: { type: 'http', url, headers } });
    try {
      const { text } = await generateText({
        model: models('editor:auto'), // AION-OS
        tools: await client.tools(),
        stopWhen: stepCountIs(5),
        system: `Ask a tool where you do not know. You know: ${hits.map((it) => it.text).join('; ')}`,
        prompt: turn.text,
      });
      await turn.memory.remember(`${turn.text} ${text}`); // AION-OS
      return text;
    } finally {
      await client.close();
    }
  },
}));
