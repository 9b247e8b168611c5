"""How much of a request's body is taken. Django keeps what comes, for whoever comes, before it looks what it is."""

from collections.abc import Awaitable, Callable
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]
MOST_BYTES = 20_000_000
"""More than anybody sends in earnest, and than whoever reads bodies takes: he refuses them, or keeps the beginning."""


def bounded(application: Application, most_bytes: int = MOST_BYTES) -> Application:
    """The ASGI application, for which a longer body is so long; the rest of it is received and dropped."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        left = most_bytes

        async def next_message() -> Any:
            nonlocal left
            message = await receive()
            if message["type"] == "http.request":
                message = {**message, "body": message.get("body", b"")[:left]}
                left -= len(message["body"])
            return message

        await application(scope, next_message, send)

    return answer
