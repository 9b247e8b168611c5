"""A body without measure."""

from typing import Any

from campsite import bodies


async def test_what_is_too_much_of_a_body_is_dropped_until_it_ends() -> None:
    sent = [{"type": "http.request", "body": b"abc", "more_body": True} for _ in range(3)]
    coming = iter([*sent, {"type": "http.request"}, {"type": "http.disconnect"}])
    received = []

    async def receive() -> Any:
        return next(coming)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive() for _ in range(5)])

    await bodies.bounded(application, most_bytes=5)({}, receive, None)
    assert [message.get("body") for message in received] == [b"abc", b"ab", b"", b"", None]
    assert [message.get("more_body") for message in received] == [True, True, True, None, None]
    assert received[-1] == {"type": "http.disconnect"}
