"""Settings: secrets come from the environment or from files, and nothing starts without them."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

READ = "from campsite import settings; print(settings.SECRET_KEY, settings.DATABASE_URL)"


def read_settings(**environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PRODUCTION": "0"} | environment
    return subprocess.run(
        [sys.executable, "-c", READ], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=30
    )


def test_nothing_starts_without_a_secret_key() -> None:
    refused = read_settings()
    assert refused.returncode != 0
    assert "SECRET_KEY is not set" in refused.stderr


def test_each_setting_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    (tmp_path / "url").write_text("postgres://u:p@h:1/d\n")
    told = read_settings(SECRET_KEY_FILE=str(tmp_path / "key"), DATABASE_URL_FILE=str(tmp_path / "url"))
    assert told.stdout.strip() == "from a file postgres://u:p@h:1/d"


def test_what_the_database_url_says_of_tls_is_kept() -> None:
    read = "from campsite import settings; print(settings.DATABASES['default']['OPTIONS'])"
    told = subprocess.run(
        [sys.executable, "-c", read],
        cwd=settings.BASE_DIR,
        env={"SECRET_KEY": "x", "PRODUCTION": "0", "DATABASE_URL": "postgres://u:p@h/d?sslmode=verify-full"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "'sslmode': 'verify-full'" in told.stdout
    assert "'connect_timeout': 5" in told.stdout


def test_who_hangs_in_a_transaction_of_the_web_process_is_ended_soon() -> None:
    """It may hold commands that the worker waits for, and with them all that is measured."""
    read = (
        "import django; django.setup(); from django.db import connection; c = connection.cursor(); "
        "c.execute('SHOW idle_in_transaction_session_timeout'); print(*c.fetchone()); connection.close_pool()"
    )
    env = {"SECRET_KEY": "x", "PRODUCTION": "0", "DJANGO_SETTINGS_MODULE": "campsite.settings"}
    env |= {"DATABASE_URL": settings.DATABASE_URL, "REDIS_URL": settings.REDIS_URL}
    for pool, shown in ("1", "10s"), ("0", "1min"):
        told = subprocess.run(
            [sys.executable, "-c", read],
            cwd=settings.BASE_DIR,
            env=env | {"DATABASE_POOL": pool},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert told.stdout.strip() == shown, told.stderr


def site_url(**environment: str) -> subprocess.CompletedProcess[str]:
    read = "from campsite import settings; print(settings.SITE_URL)"
    env = {"SECRET_KEY": "x", "PRODUCTION": "0"} | environment
    return subprocess.run(
        [sys.executable, "-c", read], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=30
    )


def test_the_sites_address_is_told_or_the_first_trusted_origin() -> None:
    origins = "https://*.example.com,https://power.example.com"
    assert site_url().stdout.strip() == ""
    assert site_url(CSRF_TRUSTED_ORIGINS=origins).stdout.strip() == "https://power.example.com"
    told = site_url(SITE_URL="https://el.example.com/", CSRF_TRUSTED_ORIGINS=origins)
    assert told.stdout.strip() == "https://el.example.com"


def test_what_is_no_address_of_a_site_is_refused() -> None:
    refused = site_url(SITE_URL="power.example.com")
    assert refused.returncode != 0
    assert "https://power.example.com" in refused.stderr


@pytest.mark.parametrize(
    "kept",
    [{"READINGS_KEPT_DAYS": "1"}, {"HOURS_KEPT_YEARS": "1"}, {"READINGS_KEPT_DAYS": "800", "HOURS_KEPT_YEARS": "2"}],
)
def test_readings_that_would_be_kept_longer_than_their_hours_or_for_no_time_are_refused(kept: dict[str, str]) -> None:
    refused = read_settings(SECRET_KEY="x", **kept)
    assert refused.returncode != 0
    assert "Keep readings for two days at least" in refused.stderr


def test_a_token_for_metrics_that_could_be_guessed_is_refused_and_not_repeated() -> None:
    refused = read_settings(SECRET_KEY="x", METRICS_TOKEN="prometheus")
    assert refused.returncode != 0
    assert "METRICS_TOKEN must have at least 20" in refused.stderr
    assert "prometheus" not in refused.stderr.rpartition("ImproperlyConfigured")[2]
    assert read_settings(SECRET_KEY="x", METRICS_TOKEN="prometheus-and-nobody-else").returncode == 0


def watched(**environment: str) -> subprocess.CompletedProcess[str]:
    read = "from campsite import settings; print(settings.PROBES, settings.WATCHED_CERTIFICATES)"
    env = {"SECRET_KEY": "x", "PRODUCTION": "0"} | environment
    return subprocess.run(
        [sys.executable, "-c", read], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=30
    )


def test_what_stands_beside_us_is_a_line_each() -> None:
    lines = "nas https://nas.local:5001/\n\nbroker  tcp://nas.local:1883 \n"
    told = watched(PROBES=lines, WATCHED_CERTIFICATES="power.example.com,mqtt.example.com:8883").stdout.strip()
    probes = {"nas": "https://nas.local:5001/", "broker": "tcp://nas.local:1883"}
    assert told == f"{probes} {['power.example.com:443', 'mqtt.example.com:8883']}"


@pytest.mark.parametrize(
    "probes", ["nas", "nas ftp://nas/", "nas tcp://nas", "https://nas/", "nas http://me:secret@nas/"]
)
def test_what_can_not_be_probed_is_refused_at_the_start(probes: str) -> None:
    refused = watched(PROBES=probes)
    assert refused.returncode != 0
    assert "PROBES needs a line each" in refused.stderr
    assert "secret" not in refused.stderr


def backup_settings(**environment: str) -> subprocess.CompletedProcess[str]:
    read = "from campsite import settings as s; print(s.BACKUP_TARGETS, s.BACKUP_RECIPIENTS)"
    env = {"SECRET_KEY": "x", "PRODUCTION": "0"} | environment
    return subprocess.run(
        [sys.executable, "-c", read], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=30
    )


def test_backup_keys_and_targets_are_read() -> None:
    key = "age1lkfln2vcne58c2mjfmxzrhj2x927ukwygjgg8p3dc90tnp4vj47qk0qd73"
    told = backup_settings(BACKUP_RECIPIENTS=f"{key}\n", BACKUP_TARGETS="nas file:///mnt/nas\n\nusb file:///mnt/u s b")
    assert told.stdout.strip() == f"{{'nas': 'file:///mnt/nas', 'usb': 'file:///mnt/u s b'}} ['{key}']"


@pytest.mark.parametrize(
    "environment",
    [
        {"BACKUP_RECIPIENTS": "age1lkfln2vcne58c2mjfmxzrhj2x927ukwygjgg8p3dc90tnp4vj47qk0qd74"},
        {"BACKUP_IDENTITY": "AGE-SECRET-KEY-1SOMETHINGWRONG"},
        {"BACKUP_TARGETS": "file:///somewhere?password=SOMETHINGWRONG"},
        {"BACKUP_TARGETS": "nas file:///SOMETHINGWRONG\nnas file:///b"},
        {"BACKUP_TARGETS": "nas sftp://nas:SOMETHINGWRONG@host/folder"},
        {"BACKUP_TARGETS": "nas file:///SOMETHINGWRONG\nusb file:///SOMETHINGWRONG/?daily=3"},
    ],
)
def test_a_wrong_backup_key_or_target_is_refused_at_the_start_and_not_quoted(environment: dict[str, str]) -> None:
    refused = backup_settings(**environment)
    assert refused.returncode != 0
    assert "ImproperlyConfigured" in refused.stderr
    assert next(iter(environment)) in refused.stderr
    assert "SOMETHINGWRONG" not in refused.stderr
