"""OpenAI's Agents SDK: an agent with models, tools and memory of AION-OS. Lines that end with `# AION-OS` would be otherwise without it."""

import os

from agents import Agent, OpenAIProvider, RunConfig, Runner
from agents.mcp import MCPServerStreamableHttp

import aion_sdk

aion = aion_sdk.Agent()
# With its tracing on it would send what is said, and the gateway's token, to OpenAI.
CONFIG = RunConfig("editor:auto", OpenAIProvider(use_responses=False), tracing_disabled=True)  # AION-OS


@aion.turn
async def answer(turn: aion_sdk.AsyncTurn) -> str:
    known = [it.text for it in await turn.memory.recall(turn.text, k=3)]  # AION-OS
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    url = os.environ["OPENAI_BASE_URL"].replace("/v1", "/mcp")  # AION-OS
    async with MCPServerStreamableHttp({"url": url, "headers": headers}, client_session_timeout_seconds=120) as tools:
        instructions = "Ask a tool where you do not know. You know: " + "; ".join(known)
        researcher = Agent(name="Researcher", instructions=instructions, mcp_servers=[tools])
        done = await Runner.run(researcher, turn.text, run_config=CONFIG)  # AION-OS
    await turn.memory.remember(f"{turn.text} {done.final_output}")  # AION-OS
    return done.final_output


if __name__ == "__main__":
    aion.run()
