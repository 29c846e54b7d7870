"""AION-OS for Python: agents that are programs in images, and programs that ask agents.

`Agent` and `Turn` are for programs that a node runs (docs/process-abi.md). `aion_sdk.testing` runs the same without a
node.
"""

from ._core.agents import Ended
from ._core.approvals import Approval, Said, Word
from ._core.boot import Boot, InputFile
from ._core.chat import ChatCompletion, ChatCompletionChunk, ChatMessage
from ._core.door import AgentInfo, Answer
from ._core.embed import Embedding, Embeddings
from ._core.feed import Event, Missed
from ._core.files import Entry, Listing
from ._core.memory import Hit, Item, Recalled
from ._core.refused import Refused, Unanswered
from ._core.tools import ToolAnswer, ToolList, ToolSpec
from .agent import Agent
from .aio import AsyncMemoryClient, AsyncModelClient, AsyncSyscallClient, AsyncTurn
from .aio_gateway import AsyncEventStream, AsyncGateway, AsyncTurnStream
from .blocking import MemoryClient, ModelClient, SyscallClient, Turn
from .gateway import EventStream, Gateway, TurnStream

__all__ = [
    "Agent",
    "AgentInfo",
    "Answer",
    "Approval",
    "AsyncEventStream",
    "AsyncGateway",
    "AsyncMemoryClient",
    "AsyncModelClient",
    "AsyncSyscallClient",
    "AsyncTurn",
    "AsyncTurnStream",
    "Boot",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "Embedding",
    "Embeddings",
    "Ended",
    "Entry",
    "Event",
    "EventStream",
    "Gateway",
    "Hit",
    "InputFile",
    "Item",
    "Listing",
    "MemoryClient",
    "Missed",
    "ModelClient",
    "Recalled",
    "Refused",
    "Said",
    "SyscallClient",
    "ToolAnswer",
    "ToolList",
    "ToolSpec",
    "Turn",
    "TurnStream",
    "Unanswered",
    "Word",
]
