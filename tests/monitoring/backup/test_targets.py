"""Folder, S3 and SFTP keep the same promises, tried with real servers."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from django.conf import settings as configured

from monitoring.backup import addresses, manifest
from monitoring.backup.manifest import Part
from monitoring.backup.stores import s3
from monitoring.backup.stores.sftp import fingerprint
from monitoring.backup.targets import Target, TargetError
from tests.monitoring.backup import servers
from tests.monitoring.backup.test_manifest import MANIFEST

CONTENT = os.urandom(300_000)
TOLD = replace(MANIFEST, parts=(Part("database", manifest.Kind.DATABASE, "database.dump.age", len(CONTENT), "", 0),))


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[servers.Sftp]:
    (tmp_path / "sftp" / "back ups").mkdir(parents=True)
    server = servers.Sftp(tmp_path / "sftp")
    yield server
    server.stop()


@pytest.fixture(params=["file", "s3", "sftp"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    if request.param == "s3":
        with servers.s3() as host:
            yield a_target(f"s3://key:secret@{host}/campsite/back%20ups?tls=no")
        return
    if request.param == "sftp":
        server = request.getfixturevalue("sftp")
        made = a_target(sftp_url(server))
        yield made
        made.close()
        return
    (tmp_path / "back ups").mkdir()
    yield a_target(f"file://{tmp_path}/back%20ups")


def a_target(url: str) -> Target:
    return Target("nas", addresses.read(url))


def sftp_url(server: servers.Sftp, password: str = "se%2Fcret", options: str = "") -> str:
    options = options or f"fingerprint={fingerprint(server.key).replace('+', '%2B')}"
    return f"sftp://nas:{password}@127.0.0.1:{server.port}/back%20ups?{options}"


def put(target: Target, told: manifest.Manifest = TOLD, content: bytes = CONTENT) -> None:
    path = Path(configured.BACKUP_WORK)
    path.mkdir(exist_ok=True)
    (path / "part").write_bytes(content)
    (path / "manifest").write_bytes(told.to_json())
    target.upload(told.folder, "database.dump.age", path / "part")
    target.upload(told.folder, manifest.FILE, path / "manifest")


def test_what_went_up_is_listed_and_comes_down_as_it_was(target: Target, tmp_path: Path):
    assert target.folders() == []
    put(target)
    later = replace(TOLD, made_at=TOLD.made_at + timedelta(days=1))
    put(target, later)
    assert list(target.backups()) == [later, TOLD]
    target.download(TOLD.folder, "database.dump.age", tmp_path / "came")
    assert (tmp_path / "came").read_bytes() == CONTENT


def test_without_its_manifest_or_with_another_size_it_is_no_backup(target: Target, tmp_path: Path):
    put(target, content=CONTENT[:-1])
    assert target.folders() == [TOLD.folder]
    assert list(target.backups()) == []
    later = replace(TOLD, made_at=TOLD.made_at + timedelta(days=1))
    target.upload(later.folder, "database.dump.age", tmp_path / "work" / "part")
    assert list(target.backups()) == []


def test_what_is_removed_is_gone_and_nothing_else(target: Target):
    later = replace(TOLD, made_at=TOLD.made_at + timedelta(days=1))
    put(target)
    put(target, later)
    target.remove(TOLD.folder)
    assert target.folders() == [later.folder]
    assert list(target.backups()) == [later]
    target.remove(TOLD.folder)


def test_a_link_or_a_pipe_on_a_shared_disk_leads_nowhere(tmp_path: Path):
    (tmp_path / "of others").mkdir()
    (tmp_path / "of others" / "precious").write_text("of others")
    target = a_target(f"file://{tmp_path}/nas")
    (tmp_path / "nas" / TOLD.folder).symlink_to(tmp_path / "of others")
    later = tmp_path / "nas" / "20261130T021500Z"
    later.mkdir()
    os.mkfifo(later / manifest.FILE)
    assert target.folders() == [later.name]
    assert list(target.backups()) == [], "nobody waits for the pipe"
    target.remove(TOLD.folder)
    assert (tmp_path / "of others" / "precious").exists()


def test_nothing_that_is_there_is_written_over(target: Target):
    put(target)
    with pytest.raises(TargetError, match="already"):
        put(target, content=b"other")
    assert list(target.backups()) == [TOLD]


def test_it_tells_how_much_has_gone(target: Target, tmp_path: Path):
    counts: list[int] = []
    (tmp_path / "part").write_bytes(CONTENT)
    target.upload(TOLD.folder, "database.dump.age", tmp_path / "part", counts.append)
    assert sum(counts) >= len(CONTENT)


def refused(url: str) -> str:
    """What is told, and holds no secret."""
    target = a_target(url)
    with pytest.raises(TargetError) as told:
        put(target)
    text = str(told.value)
    assert not any(secret in text for secret in ("se/cret", "se%2Fcret", "wrongwrong"))
    return text


def test_an_sftp_server_with_another_key_gets_neither_password_nor_backup(sftp: servers.Sftp, tmp_path: Path):
    assert "another key" in refused(sftp_url(sftp, options="fingerprint=SHA256:somebodyelses"))
    (tmp_path / "known").write_text("")
    assert "another key" in refused(sftp_url(sftp, options=f"known_hosts={tmp_path}/known"))
    line = f"[127.0.0.1]:{sftp.port} {sftp.key.get_name()} {servers.paramiko.RSAKey.generate(2048).get_base64()}"
    (tmp_path / "known").write_text(line)
    assert "another key" in refused(sftp_url(sftp, options=f"known_hosts={tmp_path}/known"))


def test_an_sftp_server_of_known_hosts_gets_it(sftp: servers.Sftp, tmp_path: Path):
    (tmp_path / "known").write_text(f"[127.0.0.1]:{sftp.port} {sftp.key.get_name()} {sftp.key.get_base64()}\n")
    target = a_target(sftp_url(sftp, options=f"known_hosts={tmp_path}/known"))
    put(target)
    assert list(target.backups()) == [TOLD]


def test_sftp_tells_a_wrong_password_a_missing_folder_and_a_full_disk(sftp: servers.Sftp):
    assert "does not let us in" in refused(sftp_url(sftp, password="wrongwrong"))
    assert "no such folder" in refused(sftp_url(sftp).replace("/back%20ups", "/elsewhere"))
    sftp.full_after = 100_000
    assert "Is it full?" in refused(sftp_url(sftp))


def test_what_is_not_there_at_all_is_told_in_time():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert "does not answer" in refused(f"sftp://nas:wrongwrong@127.0.0.1:{port}/f?fingerprint=SHA256:x")
    assert "does not answer" in refused(f"s3://key:wrongwrong@127.0.0.1:{port}/campsite?tls=no")


def test_s3_tells_a_bucket_that_is_not_there():
    with servers.s3() as host:
        assert "no such bucket" in refused(f"s3://key:wrongwrong@{host}/elsewhere?tls=no")


@pytest.mark.parametrize(("code", "told"), [("SignatureDoesNotMatch", "refuses us"), ("507", "is full")])
def test_what_s3_refuses_is_told(code: str, told: str):
    store = s3.make(addresses.read("s3://key:secret@127.0.0.1/campsite"))
    assert told in store.explain(ClientError({"Error": {"Code": code}}, "PutObject"))


def test_a_folder_that_is_full_or_closed_is_told(tmp_path: Path):
    """With a limit of the size of files, in a process that it may hurt."""
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from django.conf import settings
settings.configure(USE_I18N=False)
from monitoring.backup import addresses, targets
path = Path({str(tmp_path)!r}, "part")
path.write_bytes(bytes(300_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    targets.Target("nas", addresses.read("file://{tmp_path}/nas")).upload("20261129T021500Z", "part", path)
except targets.TargetError as told:
    print(told)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=configured.BASE_DIR, capture_output=True, text=True, timeout=60
    )
    assert "is full" in told.stdout, told.stderr
    assert list((tmp_path / "nas" / "20261129T021500Z").iterdir()) == []


def test_nobody_loads_what_only_a_target_needs():
    """The worker's start is counted in seconds of its processor."""
    program = (
        "import sys, django; django.setup(); import monitoring.backup.runs, monitoring.tasks, campsite.urls;"
        "from monitoring.backup import targets; targets.all(); print({'boto3', 'paramiko'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=configured.BASE_DIR,
        env={
            "DJANGO_SETTINGS_MODULE": "campsite.settings",
            "PRODUCTION": "0",
            "SECRET_KEY": "x",
            "BACKUP_TARGETS": "a s3://k:s@h/b\nb sftp://u:p@h/f?fingerprint=x",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == "set()", told.stderr
