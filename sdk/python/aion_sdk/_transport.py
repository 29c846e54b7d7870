"""The two drivers of plans: sync and async, over httpx. What is sent, and whether again, is decided in `_core`."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar, Union

import httpx

from ._core.elsewhere import Remote
from ._core.effects import Close, Effect, Invoke, Lost, Open, Plan, Read, Response, Send, Sleep

T = TypeVar("T")
#: Where syscalls are taken: a Unix socket, or a part of the gateway.
Way = Union[str, Remote]

HEADERS = {"accept-encoding": "identity", "user-agent": "aion-sdk"}


# An answer takes as long as what it is about: a model, a tool, a turn. Connecting does not, and who knows how long an answer
# takes at most says how long a silence is one of a connection that is gone.
def _settings(base_url: str, remote: Remote | None, silence: float | None = None) -> dict[str, Any]:
    timeout = httpx.Timeout(None, connect=10.0, read=silence)
    settings: dict[str, Any] = {"timeout": timeout, "trust_env": False, "follow_redirects": False}
    if remote is None:
        return settings | {"base_url": base_url, "headers": HEADERS}
    named = {"namespace": remote.namespace} if remote.namespace else {}
    return settings | {
        "base_url": remote.url,
        "headers": HEADERS | {"authorization": remote.token.header()},
        "params": named,
    }


def _lost(error: Exception) -> Lost:
    return Lost(str(error) or type(error).__name__)


class Transport:
    """Carries plans out in this thread. Several threads may share it."""

    def __init__(
        self,
        base_url: str = "http://aion",
        socket: str | None = None,
        remote: Remote | None = None,
        silence: float | None = None,
    ) -> None:
        # Over the Unix socket nothing is encrypted, so no certificates are loaded; they take a part of each start.
        over = httpx.HTTPTransport(uds=socket, verify=False) if socket else None
        self._client = httpx.Client(transport=over, **_settings(base_url, remote, silence))

    @classmethod
    def to(cls, way: Way) -> Transport:
        """For syscalls."""
        return cls(remote=way) if isinstance(way, Remote) else cls(socket=way)

    def run(self, plan: Plan[T]) -> T:
        """Carries a plan out to its end."""
        try:
            effect = next(plan)
            while True:
                try:
                    result = self._perform(effect)
                except BaseException as error:
                    effect = plan.throw(error)
                else:
                    effect = plan.send(result)
        except StopIteration as end:
            found: T = end.value
            return found

    def close(self) -> None:
        self._client.close()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Sleep):
            return time.sleep(effect.seconds)
        if isinstance(effect, Invoke):
            return effect.function(**effect.arguments)
        if isinstance(effect, Close):
            response, iterator = effect.response.stream
            iterator.close()
            return response.close()
        try:
            if isinstance(effect, Read):
                return next(effect.response.stream[1], b"")
            request = self._client.build_request(
                effect.method, effect.path, headers=dict(effect.headers), content=effect.body
            )
            response = self._client.send(request, stream=isinstance(effect, Open))
            if isinstance(effect, Send):
                return Response(response.status_code, response.headers, response.content)
            if response.status_code == 200:
                chunks: Iterator[bytes] = response.iter_raw()
                return Response(200, response.headers, stream=(response, chunks))
            try:
                return Response(response.status_code, response.headers, response.read())
            finally:
                response.close()
        except (httpx.TransportError, httpx.StreamError) as error:
            raise _lost(error) from error


class AsyncTransport:
    """Carries plans out in the running event loop."""

    def __init__(
        self,
        base_url: str = "http://aion",
        socket: str | None = None,
        remote: Remote | None = None,
        silence: float | None = None,
    ) -> None:
        over = httpx.AsyncHTTPTransport(uds=socket, verify=False) if socket else None
        self._client = httpx.AsyncClient(transport=over, **_settings(base_url, remote, silence))

    @classmethod
    def to(cls, way: Way) -> AsyncTransport:
        """For syscalls."""
        return cls(remote=way) if isinstance(way, Remote) else cls(socket=way)

    async def run(self, plan: Plan[T]) -> T:
        """Carries a plan out to its end."""
        try:
            effect = next(plan)
            while True:
                try:
                    result = await self._perform(effect)
                except BaseException as error:
                    effect = plan.throw(error)
                else:
                    effect = plan.send(result)
        except StopIteration as end:
            found: T = end.value
            return found

    async def close(self) -> None:
        await self._client.aclose()

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Sleep):
            return await asyncio.sleep(effect.seconds)
        if isinstance(effect, Invoke):
            if inspect.iscoroutinefunction(effect.function):
                return await effect.function(**effect.arguments)
            # It may block; the loop goes on.
            return await asyncio.to_thread(effect.function, **effect.arguments)
        if isinstance(effect, Close):
            response, iterator = effect.response.stream
            await iterator.aclose()
            return await response.aclose()
        try:
            if isinstance(effect, Read):
                return await anext(effect.response.stream[1], b"")
            request = self._client.build_request(
                effect.method, effect.path, headers=dict(effect.headers), content=effect.body
            )
            response = await self._client.send(request, stream=isinstance(effect, Open))
            if isinstance(effect, Send):
                return Response(response.status_code, response.headers, response.content)
            if response.status_code == 200:
                chunks: AsyncIterator[bytes] = response.aiter_raw()
                return Response(200, response.headers, stream=(response, chunks))
            try:
                return Response(response.status_code, response.headers, await response.aread())
            finally:
                await response.aclose()
        except (httpx.TransportError, httpx.StreamError) as error:
            raise _lost(error) from error
