"""An S3-compatible object store: the only module that knows boto3. Loaded only where a target is one."""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from django.utils.translation import gettext as _
from storages.backends.s3 import S3Storage

from monitoring.backup.addresses import Address

PART_BYTES = 16 << 20
"""A file may have 10,000 parts: 160 GB."""
REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "401", "403"}
FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}


class Streams(S3Storage):
    """Reads as it comes: the file of django-storages is a whole copy, in memory or on a disk."""

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        return File(self.bucket.Object(self._normalize_name(name)).get()["Body"], name=name)


class S3Store:
    def __init__(self, address: Address) -> None:
        bucket, _slash, prefix = address.path.strip("/").partition("/")
        self._bucket, self._shown = bucket, address.shown
        scheme = "http" if address.options.get("tls") == "no" else "https"
        port = f":{address.port}" if address.port else ""
        self.storage = Streams(
            access_key=address.user,
            secret_key=address.password,
            bucket_name=bucket,
            location=prefix,
            endpoint_url=f"{scheme}://{address.host}{port}",
            region_name=address.options.get("region"),
            file_overwrite=False,
            client_config=Config(
                connect_timeout=10,
                read_timeout=60,
                retries={"max_attempts": 3},
                s3={"addressing_style": "path"},
                # Not every compatible store knows the newer checksums; the manifest has one of each file.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
            # In this thread alone: whoever watches the progress writes to the database.
            transfer_config=TransferConfig(use_threads=False, multipart_chunksize=PART_BYTES),
        )

    def check(self) -> None:
        """Nothing that the first request would not tell."""

    def close(self) -> None:
        """Each request is one of its own."""

    def remove_folder(self, name: str) -> None:
        """There are no folders, only names with slashes."""

    def explain(self, failure: Exception) -> str:
        if isinstance(failure, BotoCoreError):
            text = _("%(place)s does not answer (%(why)s). Is the network up, and the address right?")
            return text % {"place": self._shown, "why": type(failure).__name__}
        if not isinstance(failure, ClientError):
            return ""
        code = str(failure.response.get("Error", {}).get("Code", "?"))
        if code in REFUSED:
            text = _("%(place)s refuses us (%(why)s): is the key right, and may it write to this bucket?")
        elif code == "NoSuchBucket":
            text = _("%(place)s: there is no such bucket. Make it there, or mend the address in BACKUP_TARGETS.")
        elif code in FULL:
            text = _("%(place)s is full. Make room there, or keep fewer generations.")
        else:
            text = _("%(place)s answered: %(why)s")
        return text % {"place": self._shown, "why": code}


def make(address: Address) -> S3Store:
    return S3Store(address)
