"""What deploy/install runs: five questions, then .env, secrets/, the folders of the data, certificates.

Python 3.8 and its standard library are enough, and openssl. May be run again at any time: answers are offered as they
were, no secret and no certificate is ever made anew. `--check` only looks. No secret is printed but one, once: the key
that opens the backups.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple  # Python 3.8 has no list[str]

import areas

HERE = Path(__file__).resolve().parent
ZONES = Path("/usr/share/zoneinfo")
LOWERCASE = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
"""Bech32's letters, in which age writes its keys."""
FOLDERS = ("postgres", "mosquitto", "caddy", "work", "prometheus", "grafana", "uptime-kuma", "zigbee2mqtt")
OPTIONAL = ("email_url", "alert_urls", "emergency_url", "dead_mans_switch_url")
"""Empty until somebody fills them in."""
LEAST_FREE_GB = 10


class Wrong(Exception):
    """What keeps us from going on; the text says what to do."""


class Question(NamedTuple):
    key: str
    flag: str
    text: str
    form: str
    wanted: str
    default: str = ""


LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
HOST = rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*"
CERTIFICATES = """Your e-mail address, for certificates of Let's Encrypt, which must reach this machine from the
internet on port 80 or 443? Or `internal`: an authority of its own, which each device has to be told of."""
BACKUPS = """Where do backups go? A folder on another disk, such as /volumeUSB1/usbshare/campsite; or an address,
sftp://… or s3://… (docs/backup.md)."""
QUESTIONS = (
    Question(
        "SITE_NAME",
        "--name",
        "What is the campsite called? Guests read it.",
        r"[^\x00-\x1f\"$\\`]{1,60}",
        "a name",
    ),
    Question(
        "SITE_HOST",
        "--host",
        "By which name do browsers reach it, such as power.example.com?",
        HOST,
        "a host's name in small letters, without https://",
    ),
    Question(
        "CADDY_TLS",
        "--certificates",
        CERTIFICATES,
        r"internal|[^@\s\"$]+@[^@\s\"$]+\.[^@\s\"$]+",
        "an e-mail address, or internal",
        "internal",
    ),
    Question(
        "TIME_ZONE",
        "--time-zone",
        "Which time zone is it in?",
        r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*",
        "a name such as Europe/Copenhagen",
        "Europe/Copenhagen",
    ),
    Question("BACKUPS", "--backups", BACKUPS, r"/[^\s\"$]+|(sftp|s3)://[^\s\"$]+", "a folder, or sftp://… or s3://…"),
)


def main(words: Sequence[str]) -> int:
    asked = arguments(words)
    try:
        become(asked.owner)
        place = Place(HERE)
        if not asked.check:
            make(place, answers(place, vars(asked)), asked)
        return tell(list(found(place)), place)
    except Wrong as wrong:
        print(f"install: {wrong}", file=sys.stderr)
        return 2


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    for question in QUESTIONS:
        add(question.flag, dest=question.key, metavar="ANSWER", help=question.text.replace("%", "%%"))
    add("--check", action="store_true", help="make nothing, only look whether all of it fits")
    add("--data", metavar="FOLDER", help="where the data lies; default: data/ in this folder")
    add("--owner", metavar="UID:GID", help="whose all of it is; default: yours, with sudo the one of who called it")
    return parser.parse_args(words)


def become(owner: Optional[str]) -> None:
    """Root makes nothing here: what he made nobody else could read."""
    os.umask(0o077)
    if os.geteuid():
        return
    told = owner or ":".join(filter(None, (os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID"))))
    if not re.fullmatch(r"[1-9][0-9]*:[0-9]+", told):
        raise Wrong("Run this as an ordinary user, by sudo from one, or with --owner UID:GID (`id` prints them).")
    uid, gid = map(int, told.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


# --- where it is -----------------------------------------------------------------------------------------------------


class Place:
    """The folder of an installation, with its .env."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.env, self.secrets = folder, folder / ".env", folder / "secrets"

    def values(self) -> Dict[str, str]:
        lines = self.env.read_text(encoding="utf-8").splitlines() if self.env.exists() else []
        pairs = (line.partition("=") for line in lines if re.match(r"[A-Z]", line))
        return {key.strip(): value.strip().strip('"') for key, _mark, value in pairs}

    def set(self, values: Dict[str, str]) -> None:
        """Into .env; lines of other keys, and comments, stay as they are."""
        old = self.env.read_text(encoding="utf-8").splitlines() if self.env.exists() else [
            "# Made by deploy/install; yours to change, then `docker compose up -d`. No secret stands here.",
        ]  # fmt: skip
        kept = [line for line in old if line.partition("=")[0].strip() not in values]
        put(self.env, "\n".join([*kept, *(f'{key}="{value}"' for key, value in values.items())]) + "\n")

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(36)) -> str:
        """Of this file; made where it is missing, never anew."""
        path = self.secrets / name
        if not path.exists():
            put(path, make())
        return path.read_text(encoding="utf-8").strip()


def put(path: Path, text: str) -> None:
    """Replace the file at once, readable by us alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(str(draft), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


# --- the questions ---------------------------------------------------------------------------------------------------


def answers(place: Place, given: Dict[str, Optional[str]]) -> Dict[str, str]:
    before = place.values()
    return {each.key: answer(each, given[each.key], before.get(each.key) or each.default) for each in QUESTIONS}


def answer(question: Question, given: Optional[str], default: str) -> str:
    if given is None and not sys.stdin.isatty():
        given = default
    while given is None or not fits(question, given):
        if given is not None and not sys.stdin.isatty():
            raise Wrong(f"{question.flag} is {given!r}: it wants to be {question.wanted}.")
        if given is not None:
            print(f"That is not {question.wanted}.")
        given = input(f"\n{question.text}\n[{default}] > ").strip() or default
    return given


def fits(question: Question, told: str) -> bool:
    is_zone = question.key != "TIME_ZONE" or not ZONES.exists() or (ZONES / told).is_file()
    return bool(re.fullmatch(question.form, told)) and is_zone


# --- what is made ----------------------------------------------------------------------------------------------------


def make(place: Place, told: Dict[str, str], asked: argparse.Namespace) -> None:
    before = place.values()
    data = Path(asked.data or before.get("CAMPSITE_DATA") or place.folder / "data").absolute()
    backups = told.pop("BACKUPS")
    is_folder = backups.startswith("/")
    folder = Path(backups) if is_folder else data / "backup"
    for each in [folder, *(data / name for name in FOLDERS)]:
        make_folder(each)
    make_secrets(place, "here file:///backup" if is_folder else f"there {backups}")
    make_areas(place, told["SITE_HOST"], data)
    told.update(ports(before))
    told["BACKUPS"] = backups if is_folder else backups.partition("://")[0] + "://…"
    told["BACKUP_FOLDER"], told["CAMPSITE_DATA"] = str(folder), str(data)
    told["CAMPSITE_UID"], told["CAMPSITE_GID"] = str(os.getuid()), str(os.getgid())
    if not before:  # never anew: the broker keeps what waits for the worker by this name
        told["MQTT_CLIENT_ID"] = f"campsite-{secrets.token_hex(7)}"
    told["BACKUP_RECIPIENTS"] = before.get("BACKUP_RECIPIENTS") or make_backup_key(place)
    place.set(told)


def make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Wrong(f"{path} cannot be made: {error.strerror}. Make it, for you to write in, and come again.") from None


def make_secrets(place: Place, target: str) -> None:
    for name in ("secret_key", "postgres_password", "metrics_token", "grafana_password"):
        place.secret(name, lambda: secrets.token_urlsafe(48))
    password = place.secret("database_password")
    place.secret("database_url", lambda: f"postgres://campsite:{password}@postgres:5432/campsite")
    redis = secrets.token_urlsafe(36)
    redis = place.secret("redis_conf", lambda: f"requirepass {redis}").split()[-1]
    place.secret("redis_url", lambda: f"redis://:{redis}@redis:6379/0")
    if place.secret("backup_targets", lambda: target) != target:
        print(f"{place.secrets / 'backup_targets'} stays as it is: change it there (docs/backup.md).")
    for name in OPTIONAL:
        place.secret(name, str)


def make_areas(place: Place, host: str, data: Path) -> None:
    """The broker's users, rules and certificate, and a configuration for each Zigbee2MQTT, by areas.py."""
    inventory = place.folder / "areas.ini"
    if not inventory.exists():
        put(inventory, (HERE / "areas.example.ini").read_text(encoding="utf-8"))
        print(f"made {inventory}: six areas as an example. Make them yours, then run this again.")
    names = [host, "mosquitto", "localhost", "127.0.0.1", *own_addresses()]
    words = ["--inventory", inventory, "--secrets", place.secrets, "--mosquitto", place.folder / "mosquitto"]
    words += ["--tls", *names, "--zigbee2mqtt", data / "zigbee2mqtt"]
    if areas.main(list(map(str, words))):
        raise Wrong(f"Mend {inventory}, and run this again.")
    password = place.secret("mqtt_campsite")
    place.secret("mqtt_url", lambda: f"mqtt://campsite:{password}@mosquitto:1883")


def own_addresses() -> List[str]:
    """Of this machine in its network: a Zigbee2MQTT elsewhere may know the broker by it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which way it would go
            return [probe.getsockname()[0]]
        except OSError:
            return []


def ports(before: Dict[str, str]) -> Dict[str, str]:
    """80 and 443, or where a NAS keeps these for itself, 8080 and 8443; decided once."""
    if "HTTPS_PORT" in before:
        return {}
    if not (listens(80) or listens(443)):
        return {"HTTP_PORT": "80", "HTTPS_PORT": "443"}
    print("Something listens here on port 80 or 443 (a NAS's own pages): 8080 and 8443 are taken instead.")
    print("Let the router send 80 there to 8080, and 443 to 8443.")
    return {"HTTP_PORT": "8080", "HTTPS_PORT": "8443"}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- the key of the backups ------------------------------------------------------------------------------------------


def make_backup_key(place: Place) -> str:
    """The public key of the pair, of which the secret one is made where there is none. As age writes them."""
    public, secret = key_pair()
    if place.secret("backup_identity", lambda: secret) != secret:
        raise Wrong(
            f"{place.secrets / 'backup_identity'} is there, but BACKUP_RECIPIENTS is not in {place.env}: write its "
            "public key there (age-keygen -y tells it)."
        )
    print(
        f"\n  The key that opens the backups:\n\n      {secret}\n\n"
        "  Print it twice. Put one into the safe, and one in another building. Whoever has it can read all backups;\n"
        "  without it they are worth nothing, and nobody can help. It is not shown again.\n"
    )
    return public


def key_pair() -> Tuple[str, str]:
    """(age1…, AGE-SECRET-KEY-1…). The last 32 bytes of X25519's DER are the key itself."""
    secret = openssl(["genpkey", "-algorithm", "X25519", "-outform", "DER"])
    public = openssl(["pkey", "-inform", "DER", "-pubout", "-outform", "DER"], secret)
    return bech32("age", public[-32:]), bech32("age-secret-key-", secret[-32:]).upper()


def openssl(words: Sequence[str], told: bytes = b"") -> bytes:
    try:
        return subprocess.run(["openssl", *words], input=told, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Wrong("openssl is not installed here. On Debian: apt-get install openssl") from None
    except subprocess.CalledProcessError as failed:
        raise Wrong(f"openssl refused: {failed.stderr.decode(errors='replace').strip()}") from None


def bech32(prefix: str, told: bytes) -> str:
    """BIP 173."""
    bits = "".join(f"{byte:08b}" for byte in told)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    expanded = [*(ord(sign) >> 5 for sign in prefix), 0, *(ord(sign) & 31 for sign in prefix)]
    rest = polymod([*expanded, *values, *[0] * 6]) ^ 1
    return f"{prefix}1" + "".join(
        LOWERCASE[each] for each in [*values, *(rest >> 5 * (5 - at) & 31 for at in range(6))]
    )


def polymod(values: Sequence[int]) -> int:
    found = 1
    for value in values:
        top, found = found >> 25, (found & 0x1FFFFFF) << 5 ^ value
        for at, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            found ^= term if top >> at & 1 else 0
    return found


# --- what is looked at -----------------------------------------------------------------------------------------------


class Finding(NamedTuple):
    is_wrong: bool  # else worth knowing
    text: str


def found(place: Place) -> Iterator[Finding]:
    values = place.values()
    if not values:
        yield Finding(True, f"{place.env} is missing: run deploy/install")
        return
    yield from found_answers(values)
    yield from found_secrets(place)
    yield from found_folders(values)
    if areas.main(["--inventory", str(place.folder / "areas.ini")]):
        yield Finding(True, "areas.ini has a mistake, see above")
    yield from found_certificate(place.folder / "mosquitto" / "tls" / "server.crt")
    yield from found_by_compose(place)


def found_answers(values: Dict[str, str]) -> Iterator[Finding]:
    for question in QUESTIONS[:-1]:
        if not fits(question, values.get(question.key, "")):
            yield Finding(True, f"{question.key} in .env wants to be {question.wanted}")
    for key in ("CAMPSITE_UID", "CAMPSITE_GID", "CAMPSITE_DATA", "BACKUP_FOLDER"):
        if not values.get(key):
            yield Finding(True, f"{key} is missing in .env: run deploy/install")
    if values.get("CAMPSITE_UID") == "0":
        yield Finding(True, "CAMPSITE_UID is 0: nothing of this runs as root")
    if not values.get("BACKUP_RECIPIENTS", "").startswith("age1"):
        yield Finding(True, "BACKUP_RECIPIENTS is no key like age1…: no backup would be made")


def found_secrets(place: Place) -> Iterator[Finding]:
    for name in secrets_of_compose():
        path = place.secrets / name
        if not path.exists():
            yield Finding(True, f"secrets/{name} is missing: run deploy/install")
        elif path.stat().st_mode & 0o077:
            yield Finding(True, f"secrets/{name} can be read by others: chmod 600 it")
        elif path.stat().st_uid != os.getuid():
            yield Finding(True, f"secrets/{name} is not yours")
        elif name not in OPTIONAL and not path.read_text(encoding="utf-8").strip():
            yield Finding(True, f"secrets/{name} is empty")
    for name, url in (("database_password", "database_url"), ("mqtt_campsite", "mqtt_url")):
        paths = place.secrets / name, place.secrets / url
        if all(path.exists() for path in paths) and paths[0].read_text().strip() not in paths[1].read_text():
            yield Finding(True, f"secrets/{url} has another password than secrets/{name}")


def secrets_of_compose() -> List[str]:
    return re.findall(r"\{file: \./secrets/(\w+)\}", (HERE / "compose.yaml").read_text(encoding="utf-8"))


def found_folders(values: Dict[str, str]) -> Iterator[Finding]:
    data, backup = Path(values.get("CAMPSITE_DATA") or "/nowhere"), Path(values.get("BACKUP_FOLDER") or "/nowhere")
    for path in [backup, *(data / name for name in FOLDERS)]:
        if not path.is_dir():
            yield Finding(True, f"{path} is missing: run deploy/install")
        elif not os.access(str(path), os.W_OK):
            yield Finding(True, f"{path} cannot be written by you, as whom the containers run")
    if not (data.is_dir() and backup.is_dir()):
        return
    if values.get("BACKUPS", "").startswith("/") and data.stat().st_dev == backup.stat().st_dev:
        yield Finding(
            False,
            f"{backup} is on the disk of the data: a backup there burns with it. Add another target (docs/backup.md)",
        )
    if shutil.disk_usage(str(data)).free < LEAST_FREE_GB * 10**9:
        yield Finding(False, f"less than {LEAST_FREE_GB} GB are free at {data}")


def found_certificate(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding(True, "mosquitto/tls/server.crt is missing: run deploy/install")
    elif subprocess.run(
        ["openssl", "x509", "-noout", "-checkend", str(30 * 86400), "-in", str(path)],
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode:
        yield Finding(
            False,
            "the broker's certificate ends within 30 days: remove mosquitto/tls/server.crt, and run deploy/install",
        )


def found_by_compose(place: Place) -> Iterator[Finding]:
    """Docker's own word, where it is at hand."""
    compose = ["docker", "compose"]
    if ran(*compose, "version").returncode:
        return
    done = ran(*compose, "--file", str(place.folder / "compose.yaml"), "config", "--quiet")
    if done.returncode:
        yield Finding(True, f"docker compose refuses compose.yaml: {done.stderr.decode(errors='replace').strip()}")


def ran(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(words, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 127, b"", str(error).encode())


def tell(findings: List[Finding], place: Place) -> int:
    for finding in sorted(findings, reverse=True):
        print(f"{'WRONG' if finding.is_wrong else 'note '}  {finding.text}")
    if any(finding.is_wrong for finding in findings):
        return 1
    print("All of it fits. Next:")
    print(f"    docker compose -f {place.folder / 'compose.yaml'} up -d --build")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
