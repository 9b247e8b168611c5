"""Real servers for the tests of targets: S3 by moto, SFTP by paramiko, each in this process, on a port of its own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import paramiko
from moto.server import ThreadedMotoServer
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED


@contextmanager
def s3() -> Iterator[str]:
    """Its host:port, with an empty bucket `campsite`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # What it holds is this process's, not the server's.
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=10).close()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="campsite")
        yield f"{host}:{port}"
    finally:
        server.stop()


class Sftp:
    """Lets in user `nas` with password `se/cret`, to everything below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = paramiko.RSAKey.generate(2048)
        self.password = "se/cret"
        self.may_remove = True
        self.full_after: int | None = None
        """Bytes of a file for which there is room."""
        self.holds_at = ""
        """The name of a file of which nothing is taken until `go` is set; `is_held`: somebody waits for that."""
        self.is_held, self.go = threading.Event(), threading.Event()
        self.is_lost = False
        """Whether what was held never comes to the disk."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._transports: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.go.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # else who waits in accept() keeps the port open
        self._thread.join(10)
        self._socket.close()
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._socket.accept()
                transport = paramiko.Transport(client)
                transport.add_server_key(self.key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self)
                self._transports.append(transport)
                with suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=_Door(self.password))


class _Door(paramiko.ServerInterface):
    def __init__(self, password: str) -> None:
        self._password = password

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL if (username, password) == ("nas", self._password) else AUTH_FAILED

    def check_channel_request(self, kind: str, channel: int) -> int:
        return OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def __init__(self, file: Any, flags: int, server: Sftp) -> None:
        super().__init__(flags)
        self._name = Path(file.name).name
        self.readfile = self.writefile = file
        self._server = server

    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def write(self, offset: int, data: bytes) -> int:
        if self._name == self._server.holds_at:
            self._server.is_held.set()
            self._server.go.wait()
            if self._server.is_lost:
                return int(paramiko.SFTP_FAILURE)
        full_after = self._server.full_after
        if full_after is not None and offset + len(data) > full_after:
            return paramiko.SFTP_FAILURE  # as OpenSSH says of a full disk
        return super().write(offset, data)


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, door: _Door, server: Sftp) -> None:
        super().__init__(door)
        self._server = server

    def _path(self, path: str) -> Path:
        return self._server.root / path.lstrip("/")

    def _tried(self, act: Any) -> Any:
        try:
            return act()
        except OSError as failure:
            return paramiko.SFTPServer.convert_errno(failure.errno)

    def list_folder(self, path: str) -> Any:
        return self._tried(
            lambda: [paramiko.SFTPAttributes.from_stat(each.stat(), each.name) for each in self._path(path).iterdir()]
        )

    def stat(self, path: str) -> Any:
        return self._tried(lambda: paramiko.SFTPAttributes.from_stat(self._path(path).stat()))

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        mode = "rb" if not flags & os.O_WRONLY and not flags & os.O_RDWR else "wb"
        return self._tried(lambda: _Handle(self._path(path).open(mode), flags, self._server))

    def remove(self, path: str) -> Any:
        if not self._server.may_remove:
            return paramiko.SFTP_PERMISSION_DENIED
        return self._tried(lambda: self._path(path).unlink()) or paramiko.SFTP_OK

    def mkdir(self, path: str, attr: Any) -> Any:
        return self._tried(lambda: self._path(path).mkdir()) or paramiko.SFTP_OK

    def rmdir(self, path: str) -> Any:
        return self._tried(lambda: self._path(path).rmdir()) or paramiko.SFTP_OK

    def chattr(self, path: str, attr: Any) -> Any:
        return self._tried(lambda: self._path(path).chmod(attr.st_mode & 0o777)) or paramiko.SFTP_OK
