"""NAME_OF_AGENT: remembers what it is told, and says what it remembers of it."""

from aion_sdk import Agent, Turn

agent = Agent()


@agent.turn
def answer(turn: Turn) -> str:
    known = turn.memory.recall(turn.text, k=3)
    turn.memory.remember(turn.text)
    return "\n".join(["Noted.", *(f"You said: {it.text}" for it in known)])


if __name__ == "__main__":
    agent.run()
