"""Limits for the bodies of requests to the page: Gradio limits each uploaded file, nothing else."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import config

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

UPLOAD = "/upload"
AROUND = 64 * 1024  # bytes of an upload that are not the file, of a call that are not its files
REFERENCE = 2 * 1024  # bytes in which a call names one uploaded file


class _TooLargeError(Exception):
    pass


class RequestLimits:
    """ASGI middleware: a body larger than the page ever sends is answered 413, as soon as it is.

    An upload is one file, streamed to the disk. All else is JSON, kept in memory while it waits
    in Gradio's queue: it names uploaded files, or holds a drawing.
    """

    def __init__(self, app: App, settings: config.Settings) -> None:
        self.app = app
        self.upload = settings.max_bytes + AROUND
        self.call = settings.page_pictures * REFERENCE + AROUND

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.upload if scope["path"].rstrip("/").endswith(UPLOAD) else self.call
        stated = dict(scope["headers"]).get(b"content-length", b"")
        length = int(stated) if stated.isdigit() else 0
        received, started = 0, False

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise _TooLargeError
            return message

        async def answer(message: Message) -> None:
            nonlocal started
            if received <= most:  # else Gradio answers the exception in words of its own
                started = True
                await send(message)

        try:
            if length > most:
                raise _TooLargeError
            await self.app(scope, bounded, answer)
        except _TooLargeError:
            received = most + 1
        if received > most and not started:
            await _refuse(send, most)


async def _refuse(send: Send, most: int) -> None:
    text = f"The request is too large: at most {most:,} bytes are accepted.".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
