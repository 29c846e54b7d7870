"""AION-OS for Python: agents that are programs in images, and programs that ask agents.

`Agent` and `Turn` are for programs that a node runs (docs/process-abi.md). `aion_sdk.testing` runs the same without a
node.
"""

from ._core.agents import Ended
from ._core.boot import Boot, InputFile
from ._core.chat import ChatCompletion, ChatCompletionChunk, ChatMessage
from ._core.door import AgentInfo, Answer
from ._core.embed import Embedding, Embeddings
from ._core.files import Entry, Listing
from ._core.memory import Hit, Item, Recalled
from ._core.refused import Refused, Unanswered
from ._core.tools import ToolAnswer, ToolList, ToolSpec
from .agent import Agent
from .aio import AsyncMemoryClient, AsyncModelClient, AsyncSyscallClient, AsyncTurn
from .aio_gateway import AsyncEventStream, AsyncGateway
from .blocking import MemoryClient, ModelClient, SyscallClient, Turn
from .gateway import EventStream, Gateway

__all__ = [
    "Agent",
    "AgentInfo",
    "Answer",
    "AsyncEventStream",
    "AsyncGateway",
    "AsyncMemoryClient",
    "AsyncModelClient",
    "AsyncSyscallClient",
    "AsyncTurn",
    "Boot",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "Embedding",
    "Embeddings",
    "Ended",
    "Entry",
    "EventStream",
    "Gateway",
    "Hit",
    "InputFile",
    "Item",
    "Listing",
    "MemoryClient",
    "ModelClient",
    "Recalled",
    "Refused",
    "SyscallClient",
    "ToolAnswer",
    "ToolList",
    "ToolSpec",
    "Turn",
    "Unanswered",
]
