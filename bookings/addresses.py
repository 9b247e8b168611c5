"""Where a request came from, and whether that is one of Sirvoy's addresses. Pure but for the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def of_client(meta: Mapping[str, Any]) -> Address | None:
    """The nearest address that is no proxy of ours (settings.TRUSTED_PROXIES); None where that cannot be known.

    What stands further left in X-Forwarded-For anybody may have written.
    """
    address = read(meta.get("REMOTE_ADDR", ""))
    for hop in reversed(meta.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if address is None or not _is_in(address, settings.TRUSTED_PROXIES) or not hop.strip():
            break
        address = read(hop)
    return address


def is_proxy(meta: Mapping[str, Any]) -> bool:
    """Whether a proxy of ours (settings.TRUSTED_PROXIES) calls: what it says of the caller is believed."""
    address = read(meta.get("REMOTE_ADDR", ""))
    return address is not None and _is_in(address, settings.TRUSTED_PROXIES)


def is_allowed(address: Address | None) -> bool:
    """Whether events may come from there; from anywhere where settings.SIRVOY_ALLOWED_NETWORKS is empty."""
    allowed = settings.SIRVOY_ALLOWED_NETWORKS
    return not allowed or (address is not None and _is_in(address, allowed))


def read(text: str) -> Address | None:
    """An address, with or without a port; an IPv4 one as such, however it was written."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
