// NAME_OF_AGENT: remembers what it is told, and says what it remembers of it.
import { agent, AgentRuntime } from 'aion-sdk';

await AgentRuntime.run(agent({
  async turn(turn) {
    const { hits } = await turn.memory.recall(turn.text, { k: 3 });
    await turn.memory.remember(turn.text);
    return ['Noted.', ...hits.map((it) => `You said: ${it.text}`)].join('\n');
  },
}));
