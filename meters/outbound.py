"""Messages to telephones, chats and mailboxes. The only module that knows Apprise.

An address is Apprise's (https://github.com/caronc/apprise/wiki), for example mailto://…, discord://…, ntfy://…, sms by
many gateways. It holds passwords: it is never logged, nor told.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import apprise

USUAL = {"cto": 5, "rto": 10, "overflow": "truncate", "redirect": "no"}
"""Unless the address says otherwise: seconds to connect, and to wait for an answer; of what is too long for those who
carry it, the beginning is told (Apprise would send all of it, and they would refuse it). Nobody leads us elsewhere.
"""


def is_address(url: str) -> bool:
    """Whether Apprise can do something with it."""
    return apprise.Apprise().add(url)


def tell(url: str, title: str, text: str) -> bool:
    """Whether whoever carries messages there took it. Takes some 15 s at most."""
    messenger = apprise.Apprise()
    more = "&".join(f"{name}={value}" for name, value in USUAL.items() if f"{name}=" not in url)
    if not messenger.add(f"{url}{'&' if urlsplit(url).query else '?'}{more}"):
        return False
    return bool(messenger.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT))


logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings may hold addresses
