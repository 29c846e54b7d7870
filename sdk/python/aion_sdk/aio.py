"""The syscalls of a turn, for programs that await: `blocking`, by make_aio.py."""

from __future__ import annotations

from collections.abc import Iterable, AsyncIterator, Mapping
from typing import Any, Literal, TypeVar, overload

from ._core import agents, chat, embed, files, memory, tools, turn
from ._core.boot import Boot, inherited
from ._core.effects import Plan
from ._core.refused import Refused
from ._core.session import Notices, Session
from ._transport import AsyncTransport, Way

T = TypeVar("T")


class AsyncSyscallClient:
    """Any syscall, by its name. It is signed, and tried again as docs/process-abi.md says."""

    def __init__(self, boot: Boot, way: Way, session: Session | None = None) -> None:
        self.session = session or Session(boot.key, boot.turn)
        self._transport = AsyncTransport.to(way)

    @classmethod
    def inherited(cls) -> AsyncSyscallClient:
        """For the turn that this process was started for."""
        return cls(*inherited())

    async def run(self, plan: Plan[T]) -> T:
        """Carries out what takes several calls."""
        return await self._transport.run(plan)

    async def call(
        self, syscall: str, body: Mapping[str, Any] | None = None, *, deadline_ms: int | None = None
    ) -> dict[str, Any]:
        """Makes a call such as `memory.recall`, and gives its answer. Raises `Refused`."""
        return await self.run(self.session.call(syscall, body or {}, deadline_ms))

    async def notices(self) -> AsyncIterator[dict[str, Any]]:
        """What the node tells without being asked, as it comes, until the turn ends: `{"notice": "pressure", …}`.

        For a task of its own. Pass over notices that you do not know.
        """
        notices: Notices = self.session.notices()
        try:
            while True:
                yield await self.run(notices.next())
        finally:
            await self.run(notices.close())

    async def close(self) -> None:
        """Closes its connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncSyscallClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncSyscallClient({self.session!r})"


class AsyncMemoryClient:
    """The agent's memory pool."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self._client = client

    async def remember(
        self, text: str, *, id: str | None = None, collection: str = "", attributes: Mapping[str, str] | None = None
    ) -> str:
        """Stores one text, and gives its id. An item whose id exists is replaced."""
        item = memory.Item(text, id, collection, attributes or {})
        return await self._client.run(memory.remember(self._client.session, item))

    async def remember_all(self, items: Iterable[memory.Item | str]) -> list[str]:
        """Stores 1 to 256 items, all or none, and gives their ids."""
        return await self._client.run(memory.remember_all(self._client.session, items))

    async def recall(
        self,
        query: str = "",
        *,
        k: int = 5,
        collection: str | None = None,
        attributes: Mapping[str, str] | None = None,
        ids: Iterable[str] = (),
        offset: int = 0,
    ) -> memory.Recalled:
        """Searches; without a query it lists, newest first."""
        plan = memory.recall(self._client.session, query, k, collection, attributes, ids, offset)
        return await self._client.run(plan)

    async def forget(self, *ids: str) -> int:
        """Erases these, and says how many there were."""
        return await self._client.run(memory.forget(self._client.session, ids))

    async def forget_collection(self, collection: str, attributes: Mapping[str, str] | None = None) -> int:
        """Erases a collection, or what of it has all the attributes."""
        return await self._client.run(memory.forget_collection(self._client.session, collection, attributes))


class AsyncFilesClient:
    """The mounts of `permissions.files`."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self._client = client

    async def read(self, mount: str, path: str) -> bytes:
        """A whole file, as it was at one time."""
        return await self._client.run(files.read(self._client.session, mount, path))

    async def read_text(self, mount: str, path: str) -> str:
        """A whole file of UTF-8."""
        return (await self.read(mount, path)).decode()

    async def write(self, mount: str, path: str, data: bytes | str, *, mode: files.Mode = "replace") -> int:
        """Writes a file, and gives its size then. `output` is the mount that the caller is given files from.

        What is longer than 512 KiB is written in parts, which readers may see.
        """
        return await self._client.run(files.write(self._client.session, mount, path, data, mode))

    async def list(self, mount: str, path: str = "", *, recursive: bool = False) -> files.Listing:
        """A folder, whole, and what of it cannot be had."""
        return await self._client.run(files.list_all(self._client.session, mount, path, recursive))


class AsyncToolsClient:
    """The tools that the agent is granted."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self._client = client

    async def list(self) -> tools.ToolList:
        """The operations, and what cannot be used of them now."""
        return await self._client.run(tools.list_all(self._client.session))

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None = None, *, link: str | None = None
    ) -> tools.ToolAnswer:
        """Calls `tool.operation`; with `link`, reads a resource that an earlier answer linked to instead."""
        return await self._client.run(tools.call(self._client.session, name, arguments or {}, link))


class AsyncAgentsClient:
    """The other agents of the namespace that it may ask. Whatever is begun ends with the turn."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self._client = client

    async def ask(
        self, agent: str, text: str, *, delegate: Iterable[str] | None = None, deadline: float | None = None
    ) -> agents.Ended:
        """Asks an agent, and gives how its turn ended, within 10 minutes or `deadline` seconds.

        Of its rights it has what `delegate` names; left out, all of them.
        """
        return await self._client.run(agents.ask(self._client.session, agent, text, delegate, deadline))

    async def spawn(
        self, agent: str, text: str, *, delegate: Iterable[str] | None = None, deadline: float | None = None
    ) -> int:
        """Begins a turn, and gives its number, for `wait` and `cancel`."""
        return await self._client.run(agents.spawn(self._client.session, agent, text, delegate, deadline))

    async def wait(self, turn: int, *, deadline: float | None = None) -> agents.Ended:
        """How a turn ended, when it has. After a minute or `deadline` seconds `deadline-exceeded`: wait again."""
        return await self._client.run(agents.wait(self._client.session, turn, deadline))

    async def cancel(self, turn: int) -> None:
        """Stops a turn. One that has ended stays as it is."""
        await self._client.run(agents.cancel(self._client.session, turn))


class AsyncChatStream:
    """Chunks of an answer. One that breaks off raises `Refused`."""

    def __init__(self, client: AsyncSyscallClient, stream: chat.Stream) -> None:
        self._client, self._stream = client, stream

    @property
    def text(self) -> str:
        """The answer so far, without what was withdrawn."""
        return self._stream.answer.text

    def completion(self) -> chat.ChatCompletion:
        """The whole answer, once the stream was read to its end."""
        return self._stream.answer.completion()

    async def close(self) -> None:
        """Gives the rest up."""
        await self._client.run(self._stream.close())

    def __aiter__(self) -> AsyncChatStream:
        return self

    async def __anext__(self) -> chat.ChatCompletionChunk:
        chunk = await self._client.run(self._stream.next())
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> AsyncChatStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncCompletions:
    """`chat.completions` of an OpenAI client."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self._client = client

    @overload
    async def create(
        self,
        *,
        messages: Iterable[chat.Message],
        tools: Iterable[chat.Tool] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stream: Literal[False] = False,
    ) -> chat.ChatCompletion: ...
    @overload
    async def create(
        self,
        *,
        messages: Iterable[chat.Message],
        tools: Iterable[chat.Tool] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stream: Literal[True],
    ) -> AsyncChatStream: ...
    async def create(
        self,
        *,
        messages: Iterable[chat.Message],
        tools: Iterable[chat.Tool] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stream: bool = False,
    ) -> chat.ChatCompletion | AsyncChatStream:
        """Asks the agent's model, or its fallbacks: which these are is in the Agent, and is not said here."""
        body = chat.request(messages, tools, max_tokens, temperature)
        if stream:
            return AsyncChatStream(self._client, await self._client.run(chat.stream(self._client.session, body)))
        return await self._client.run(chat.whole(self._client.session, body))


class AsyncChat:
    """`chat` of an OpenAI client."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self.completions = AsyncCompletions(client)


class AsyncEmbeddingsClient:
    """`embeddings` of an OpenAI client."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self._client = client

    async def create(self, *, input: str | Iterable[str], dimensions: int | None = None) -> embed.Embeddings:
        """Vectors of texts, by the model that `spec.model.embedding` of the Agent names; 256 texts are a syscall."""
        return await self._client.run(embed.made(self._client.session, input, dimensions))


class AsyncModelClient:
    """The agent's models, as an OpenAI client: `model.chat.completions.create(messages=…)`,
    `model.embeddings.create(input=…)`."""

    def __init__(self, client: AsyncSyscallClient) -> None:
        self.chat = AsyncChat(client)
        self.embeddings = AsyncEmbeddingsClient(client)


class AsyncTurn(turn.Given):
    """One turn: what was asked, and all that may be done about it."""

    def __init__(self, boot: Boot, client: AsyncSyscallClient) -> None:
        super().__init__(boot)
        self.syscalls = client
        self.memory = AsyncMemoryClient(client)
        self.files = AsyncFilesClient(client)
        self.tools = AsyncToolsClient(client)
        self.agents = AsyncAgentsClient(client)
        self.model = AsyncModelClient(client)

    async def progress(self, text: str) -> None:
        """What the agent does now; gone with the next."""
        await self._say("progress", text)

    async def notice(self, text: str) -> None:
        """What the person must know beside the answer."""
        await self._say("notice", text)

    async def left_out(self, text: str) -> None:
        """A notice that a part of what the caller gave is not in the answer."""
        await self._say("leftOut", text)

    async def delta(self, text: str) -> None:
        """The next part of the answer."""
        await self._say("delta", text)

    async def checkpoint(self, state: str) -> None:
        """Keeps up to 256 KiB for the next turn, which finds it in `state`."""
        await self.syscalls.run(turn.checkpoint(self.syscalls.session, state))

    def notices(self) -> AsyncIterator[dict[str, Any]]:
        """As `AsyncSyscallClient.notices`."""
        return self.syscalls.notices()

    async def _say(self, kind: turn.Kind, text: str, refused: Refused | None = None) -> None:
        await self.syscalls.run(turn.message(self.syscalls.session, kind, text, refused))
