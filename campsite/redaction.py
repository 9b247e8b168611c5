"""Strikes secrets and guests' data out of whatever is logged or reported, also where a library wrote the line."""

from __future__ import annotations

import logging
import re

SECRETS = re.compile(
    r"(?P<asked>(?i:: /+(?:\./)?p/))[^\n]+"  # an address that Django does not know: to the end, whatever it holds
    # Right or wrong: a wrong one may be a right one with a slip.
    r"|(?P<before>(?i:/hooks/sirvoy/+|/p/+))[^/\s?#\"'<>&,]+"
    r"|(?P<prefix>\bsirvoy-)[\w-]{8,}"
    r"|(?P<age>\bAGE-SECRET-KEY-)\w+"
    # PostgreSQL quotes the row that it refused, line breaks and all: its end is the last line that looks like it, and a
    # traceback that follows is none of it.
    r"|(?P<detail>\bDETAIL:\s)(?:\s*Failing row contains \((?s:(?!\nTraceback \().)*\)\.$|[^\n]*)",
    re.MULTILINE,
)


def redact(text: str) -> str:
    """The text without the secret parts of addresses and without quoted rows, in whatever context they stand."""
    return SECRETS.sub(lambda found: f"{found[found.lastgroup or 0]}…", text)


UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class WithoutSecrets(logging.Formatter):
    """For every handler: also of what stands in a traceback. An event is a line, whatever names stand in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return UNSEEN.sub(lambda found: f"‹{ord(found[0]):x}›", super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
