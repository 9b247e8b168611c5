"""The cache in Redis, which all processes share. While Redis is away each has its own, at once and with the same words.

What stands in it is how often somebody tried something: a page or a webhook never waits or fails for that.
"""

from __future__ import annotations

import json
import logging
import time
from functools import cache, cached_property, partial
from typing import Any

import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)
TIMEOUT_S = 0.5
TRY_AGAIN_S = 5.0
"""So long nobody asks a Redis that did not answer: only one call in a while waits for it."""
MOST_KEPT_HERE = 100_000
"""So many tries push out no counter."""


class SharedCache(RedisCache):
    """CACHES' backend. Its clients are kept: under ASGI each request makes this object anew."""

    _servers: list[str]

    @cached_property
    def _cache(self) -> Any:
        return _client(tuple(self._servers), self.key_prefix)


class _NotKept(Exception):
    """It is no JSON."""


class _Json:
    """What stands in Redis: nothing that could be anything else when it is read, as a pickle could."""

    def dumps(self, value: Any) -> str:
        try:
            return json.dumps(value)
        except TypeError as error:
            raise _NotKept from error

    def loads(self, told: bytes) -> Any:
        return json.loads(told)


class _Client:
    """The calls of Django's RedisCacheClient, which are also those of LocMemCache."""

    def __init__(self, servers: tuple[str, ...], prefix: str) -> None:
        told: dict[str, Any] = {
            "serializer": _Json(),
            "socket_timeout": TIMEOUT_S,
            "socket_connect_timeout": TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
        }
        self._shared = RedisCacheClient(list(servers), **told)
        self._here = LocMemCache(f"{servers}{prefix}", {"OPTIONS": {"MAX_ENTRIES": MOST_KEPT_HERE}})
        self._prefix = prefix
        self._away_until = 0.0

    def __getattr__(self, verb: str) -> Any:
        return partial(self._do, verb)

    def clear(self) -> None:
        """Only what is ours: others may use this Redis."""
        server = self._shared.get_client(write=True)
        for key in server.scan_iter(f"{self._prefix}:*", count=1000):
            server.delete(key)
        self._here.clear()

    def _do(self, verb: str, *told: Any) -> Any:
        if time.monotonic() >= self._away_until:
            try:
                return getattr(self._shared, verb)(*told)
            except _NotKept:  # the admin's search keeps objects: it has to find them anew each time
                return None
            except (redis.RedisError, OSError) as failure:
                logger.warning("Redis is away (%s): each process counts for itself.", type(failure).__name__)
                self._away_until = time.monotonic() + TRY_AGAIN_S
        return getattr(self._here, verb)(*told)


_client = cache(_Client)
