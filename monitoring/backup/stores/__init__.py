"""Where backups can lie: Django storages, each with what it lacks for that, loaded when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from django.core.files.storage import Storage

from monitoring.backup import BackupError
from monitoring.backup.addresses import Address

MODULES = {"file": "local", "s3": "s3", "sftp": "sftp"}


class StoreError(BackupError):
    """Nothing should be written there now."""


class Store(Protocol):
    storage: Storage

    def check(self) -> None:
        """Raises StoreError where nothing should be written now."""

    def close(self) -> None:
        """End the connection, if there is one. What is asked afterwards makes another one."""

    def remove_folder(self, name: str) -> None:
        """Of a folder that is empty; where there are no folders, nothing."""

    def explain(self, failure: Exception) -> str:
        """What this failure of the storage means, and what to do; "" for a failure that is not its own."""


def at(address: Address) -> Store:
    """Does not connect yet. boto3 and paramiko are loaded here, by who uses them."""
    module = import_module(f"{__name__}.{MODULES[address.scheme]}")
    return cast(Store, module.make(address))
