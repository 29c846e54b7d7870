"""LangGraph: an agent with models, tools and memory of AION-OS. Lines that end with `# AION-OS` would be otherwise without it."""

import os

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI

from aion_sdk import Agent, AsyncTurn

aion = Agent()


@aion.turn
async def answer(turn: AsyncTurn) -> str:
    known = [it.text for it in await turn.memory.recall(turn.text, k=3)]  # AION-OS
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    url = os.environ["OPENAI_BASE_URL"].replace("/v1", "/mcp")  # AION-OS
    tools = MultiServerMCPClient({"agents": {"transport": "http", "url": url, "headers": headers}})
    graph = create_agent(
        ChatOpenAI(model="editor:auto"),  # AION-OS
        await tools.get_tools(),
        system_prompt="Ask a tool where you do not know. You know: " + "; ".join(known),
    )
    done = await graph.ainvoke({"messages": [{"role": "user", "content": turn.text}]})
    said = done["messages"][-1].text
    await turn.memory.remember(f"{turn.text} {said}")  # AION-OS
    return said


if __name__ == "__main__":
    aion.run()
