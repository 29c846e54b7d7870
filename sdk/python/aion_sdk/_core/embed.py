"""`model.embed` in the shape of OpenAI's embeddings."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .effects import Plan
from .session import Session, pages

#: Texts of one syscall.
MOST = 256


@dataclass(frozen=True)
class Embedding:
    """The vector of one text."""

    index: int
    embedding: tuple[float, ...]
    object: Literal["embedding"] = "embedding"


@dataclass(frozen=True)
class EmbeddingUsage:
    prompt_tokens: int
    total_tokens: int
    #: The endpoint gave no figures: these are the node's estimate.
    estimated: bool = False


@dataclass(frozen=True)
class Embeddings:
    """Vectors in the order of the texts, all of one length, as the model gave them."""

    model: str
    data: tuple[Embedding, ...]
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


def made(session: Session, input: str | Iterable[str], dimensions: int | None) -> Plan[Embeddings]:
    texts = [input] if isinstance(input, str) else list(input)
    model, tokens, estimated = "", 0, False
    data: list[Embedding] = []
    for start, end in pages(len(texts), MOST):
        body: dict[str, Any] = {"texts": texts[start:end]}
        if dimensions is not None:
            body["dimensions"] = dimensions
        answer = yield from session.call("model.embed", body)
        usage = answer.get("usage") or {}
        model = answer["model"]
        tokens += usage.get("inputTokens", 0)
        estimated = estimated or usage.get("estimated", False)
        data += [Embedding(start + at, _numbers(vector)) for at, vector in enumerate(answer["vectors"])]
    return Embeddings(model, tuple(data), EmbeddingUsage(tokens, tokens, estimated))


def _numbers(vector: str) -> tuple[float, ...]:
    numbers = array.array("f", base64.b64decode(vector))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)


def written(vector: Sequence[float]) -> str:
    """A vector as it travels."""
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
