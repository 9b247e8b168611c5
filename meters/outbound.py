"""Messages to telephones, chats and mailboxes. The only module that knows Apprise.

An address is Apprise's (https://github.com/caronc/apprise/wiki), for example mailto://…, discord://…, ntfy://…, sms by
many gateways. It holds passwords: it is never logged, nor told.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import apprise

CONNECT_S, READ_S = 5, 10
"""Unless the address says otherwise (cto, rto)."""


def is_address(url: str) -> bool:
    """Whether Apprise can do something with it."""
    return apprise.Apprise().add(url)


def tell(url: str, title: str, text: str) -> bool:
    """Whether whoever carries messages there took it. Takes some 15 s at most."""
    messenger = apprise.Apprise()
    separator = "&" if urlsplit(url).query else "?"
    if not messenger.add(url if "cto=" in url else f"{url}{separator}cto={CONNECT_S}&rto={READ_S}"):
        return False
    return bool(messenger.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT))


logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings may hold addresses
