"""Servers on loopback that people would be told through, and a store that outlives a notifier."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

import msgspec

from orderd.errors import JournalError


class Store:
    """What `orderd.record.KeptState` does, in memory, as the JSON that would lie on the disk."""

    def __init__(self):
        self.rows = {}
        self.fails = False

    def put(self, kind, key, value):
        if self.fails:
            raise JournalError("no space")
        self.rows[str(kind), key] = msgspec.json.encode(value)

    def drop(self, kind, key):
        if self.fails:
            raise JournalError("no space")
        return self.rows.pop((str(kind), key), None) is not None

    def load(self, kind, of):
        return {key: msgspec.json.decode(body, type=of) for (k, key), body in self.rows.items() if k == str(kind)}


@dataclass
class Web:
    """An HTTP server; ``answers`` are given in turn, the last one again and again."""

    port: int = 0
    answers: list = field(default_factory=lambda: ["200 OK"])
    requests: list = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            self.requests.append((head.split(" ")[1], json.loads(await reader.readexactly(length))))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.changed.set()
            await self.answer(writer, answer)

    async def answer(self, writer, answer):
        if answer == "drip":
            for _ in range(1000):
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif answer == "silent":
            await asyncio.sleep(30)
        elif answer != "hang up":
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    async def until(self, count, within_s=5):
        """Wait until that many requests came."""
        async with asyncio.timeout(within_s):
            while len(self.requests) < count:
                self.changed.clear()
                await self.changed.wait()
        return [body for _, body in self.requests]


@dataclass
class Post:
    """An SMTP server of a few lines; keeps every message as it came."""

    port: int = 0
    refuses: str = ""
    messages: list = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(b"220 drill\r\n")
            while line := await reader.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
                    self.changed.set()
                    writer.write(b"250 taken\r\n")
                elif self.refuses and word == b"RCPT":
                    writer.write(f"{self.refuses}\r\n".encode())
                else:
                    writer.write(b"250 fine\r\n")

    async def until(self, count, within_s=5):
        """Wait until that many messages came."""
        async with asyncio.timeout(within_s):
            while len(self.messages) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.messages


@contextlib.asynccontextmanager
async def listening(server):
    """Let a server listen on loopback."""
    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        try:
            await server.serve(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", server.port, limit=1 << 20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)
