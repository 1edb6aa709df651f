# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients of the protocol behind one face: the Python SDK in each of its modes, and fastmcp."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import fastmcp
import httpx2
import mcp
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp.client.streamable_http import streamable_http_client

MODES = ("legacy", "auto", "2026-07-28")
"""Of the SDK: with a handshake; whichever the server offers; without a handshake."""

KINDS = tuple(f"mcp {mode}" for mode in MODES) + ("fastmcp",)

HTTP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Stdio:
    """A server that the client starts. `environment` is added to the little that clients pass on."""

    program: Path
    environment: dict[str, str]
    arguments: tuple[str, ...] = ("mcp",)


@dataclass(frozen=True)
class Url:
    """A server that runs already."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What it wants to be shown."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Answer:
    """What a tool said, and the progress that was told before."""

    is_error: bool
    text: str
    data: dict[str, Any]
    pictures: list[bytes]
    links: list[str]
    progress: list[tuple[float, float | None, str | None]] = field(default_factory=list)

    @classmethod
    def of(cls, content: list[Any], data: Any, is_error: bool, progress: list[Any]) -> Answer:
        """From the blocks of a result."""
        pictures = [block for block in content if block.type == "image"]
        assert all(picture.mime_type == "image/jpeg" for picture in pictures)
        return cls(
            is_error,
            "\n".join(block.text for block in content if block.type == "text"),
            data or {},
            [base64.b64decode(picture.data, validate=True) for picture in pictures],
            [str(block.uri) for block in content if block.type == "resource_link"],
            progress,
        )


class Agent:
    """A client that is connected. Errors of the protocol are raised; those of a tool are answers."""

    def __init__(self, client: Any, is_fast: bool) -> None:
        self._client = client
        self._is_fast = is_fast

    async def call(self, tool: str, /, **arguments: Any) -> Answer:
        """Call a tool, and listen to its progress."""
        progress: list[tuple[float, float | None, str | None]] = []

        async def listen(done: float, total: float | None, message: str | None) -> None:
            progress.append((done, total, message))

        if self._is_fast:
            result = await self._client.call_tool(tool, arguments, progress_handler=listen, raise_on_error=False)
            return Answer.of(result.content, result.structured_content, result.is_error, progress)
        result = await self._client.call_tool(tool, arguments, progress_callback=listen)
        return Answer.of(result.content, result.structured_content, bool(result.is_error), progress)

    async def tools(self) -> list[Any]:
        """The tools, as they are listed."""
        listed = await self._client.list_tools()
        return list(listed if self._is_fast else listed.tools)

    async def read(self, uri: str) -> bytes:
        """What is at the URI of a resource."""
        read = await self._client.read_resource(uri)
        (contents,) = read if self._is_fast else read.contents
        text = getattr(contents, "text", None)
        return base64.b64decode(contents.blob, validate=True) if text is None else text.encode()


@asynccontextmanager
async def connected(kind: str, server: Stdio | Url) -> AsyncIterator[Agent]:
    """A client of this kind (one of KINDS), until it disconnects."""
    async with AsyncExitStack() as stack:
        if kind == "fastmcp":
            client: Any = fastmcp.Client(_fast(server))
        else:
            client = mcp.Client(await _plain(stack, server), mode=kind.removeprefix("mcp "))
        yield Agent(await stack.enter_async_context(client), kind == "fastmcp")


def live(kind: str, server: Stdio | Url, story: Callable[[Agent], Awaitable[None]]) -> None:
    """Live a story with a client of this kind. Its failure is raised as it is, and not in the groups of exceptions of
    the client's own tasks."""
    failures: list[Exception] = []

    async def connect() -> None:
        async with connected(kind, server) as agent:
            try:
                await story(agent)
            except Exception as failure:
                failures.append(failure)

    anyio.run(connect)
    if failures:
        raise failures[0]


async def _plain(stack: AsyncExitStack, server: Stdio | Url) -> Any:
    if isinstance(server, Stdio):
        return mcp.StdioServerParameters(
            command=str(server.program), args=list(server.arguments), env=server.environment
        )
    http = httpx2.AsyncClient(headers=server.headers, timeout=HTTP_TIMEOUT_S)
    return streamable_http_client(server.url, http_client=await stack.enter_async_context(http))


def _fast(server: Stdio | Url) -> Any:
    if isinstance(server, Url):
        return StreamableHttpTransport(server.url, headers=server.headers)
    return StdioTransport(str(server.program), list(server.arguments), env=server.environment, keep_alive=False)
