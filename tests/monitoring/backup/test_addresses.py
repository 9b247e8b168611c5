"""A target's address is read once, at the start, and its secrets are told nowhere."""

import pytest

from monitoring.backup import addresses
from monitoring.backup.generations import Kept


def test_each_kind_is_read():
    told = addresses.read("sftp://nas:se%2Fcr%40t@example.com:2222/back%20ups/?fingerprint=SHA256:a%2Bb&weekly=9")
    assert (told.scheme, told.host, told.port, told.path) == ("sftp", "example.com", 2222, "/back ups")
    assert (told.user, told.password, told.options) == ("nas", "se/cr@t", {"fingerprint": "SHA256:a+b"})
    assert told.kept == Kept(weekly=9)
    assert addresses.read("file:///mnt/nas?mount=/mnt").options == {"mount": "/mnt"}
    assert addresses.read("s3://k:s@s3.example.com/bucket/prefix").path == "/bucket/prefix"


def test_no_secret_is_shown():
    told = addresses.read("s3://key:se%2Fcret@example.com:9000/bucket?region=eu&tls=no")
    assert told.shown == "s3://example.com:9000/bucket"
    assert "se/cret" not in repr(told)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://u:s3cr3t@h/f", "begins with"),
        ("s3cr3t", "begins with"),
        ("file://s3cr3t/folder", "three slashes"),
        ("file:///", "three slashes"),
        ("s3://key:s3cr3t@host", "bucket"),
        ("s3://key@host/bucket", "key, secret"),
        ("sftp://u:s3cr3t@h/f", "fingerprint"),
        ("sftp://u@h/f?fingerprint=SHA256:x", "password"),
        ("sftp://h/f?fingerprint=SHA256:x", "who logs in"),
        ("sftp://u:s3cr3t@h:port/f?fingerprint=SHA256:x", "host or port"),
        ("file:///f?dayly=7", "dayly"),
        ("file:///f?daily=s3cr3t", "daily must be a number"),
        ("file:///f?fingerprint=x", "fingerprint"),
    ],
)
def test_what_is_wrong_is_told_without_the_secret(url: str, why: str):
    with pytest.raises(ValueError, match=why) as told:
        addresses.read(url)
    assert "s3cr3t" not in str(told.value)
