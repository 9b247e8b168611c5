#!/usr/bin/env python3
"""Makes of one inventory (areas.ini) what broker and Zigbee2MQTTs need: users, rules, certificates, configurations.

Python 3.8 and its standard library are enough, so that a NAS can run it. What is there stays: passwords, certificates,
every configuration.yaml; only `acl` and `passwords` are written anew. No password is printed, or given to a program.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Sequence  # noqa: UP035  (Python 3.8)

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "zigbee2mqtt" / "configuration.yaml"
OURS, HOME_ASSISTANT, MONITOR = "campsite", "homeassistant", "monitor"
TAKEN_TOPICS = ("campsite", "homeassistant")
DEEPEST_NAME = 4
"""Levels of a friendly name that our worker can command by name: "north/2/14"."""
HASH_ROUNDS = 10_000
NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256"
FORMS = {
    "slug": (r"[a-z0-9][a-z0-9-]{0,39}", "small letters, digits and hyphens"),
    "name": (r"[^\x00-\x1f\x7f]{1,60}", "one line of at most 60 signs"),
    "base_topic": (r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", "letters, digits, _ and -, with / between levels"),
    "channel": (r"1[1-9]|2[0-6]", "a Zigbee channel, 11 to 26"),
    "pan_id": (r"0x(?!0000|[Ff]{4})[0-9A-Fa-f]{4}", "0x and four hexadecimal digits, neither 0x0000 nor 0xffff"),
    "port": (r"tcp://[A-Za-z0-9.-]+:[0-9]{1,5}|/dev/[A-Za-z0-9_./:-]+", "tcp://address:port or /dev/…"),
    "adapter": (r"zstack|ember|deconz|zigate|zboss", "zstack, ember, deconz, zigate or zboss"),
    "broker": (r"mqtts?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", "mqtt://host:port or mqtts://host:port, without a user"),
    "homeassistant": (r"yes|no", "yes or no"),
    "ca": (r"(/[A-Za-z0-9_./-]+)?", "the path of a file"),
}


class Wrong(Exception):
    """The inventory, or what was asked, cannot be; the text says what to do."""


class Area(NamedTuple):
    """One Zigbee2MQTT."""

    slug: str
    name: str
    base_topic: str
    channel: str
    pan_id: str
    port: str
    adapter: str

    @property
    def user(self) -> str:
        return f"zigbee2mqtt_{self.slug}"


class Site(NamedTuple):
    """The inventory. `ca`: where each Zigbee2MQTT finds the certificate of our authority; empty without TLS."""

    areas: List[Area]  # noqa: UP006
    broker: str = "mqtt://mosquitto:1883"
    homeassistant: str = "no"
    ca: str = ""

    @property
    def users(self) -> List[str]:  # noqa: UP006
        more = [HOME_ASSISTANT] if self.homeassistant == "yes" else []
        return [OURS, *(area.user for area in self.areas), *more, MONITOR]


# --- the inventory ---------------------------------------------------------------------------------------------------


def read(path: Path) -> Site:
    """Raises Wrong with the section, the key, and what is expected there."""
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read_string(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeError, configparser.Error) as error:
        raise Wrong(f"{path} cannot be read: {error}") from None
    about = dict(found["site"]) if found.has_section("site") else {}
    site = Site(
        [_area(slug, dict(found[slug])) for slug in found.sections() if slug != "site"],
        **_checked("site", about, Site._field_defaults),
    )
    _check_together(site)
    return site


def _area(slug: str, told: Dict[str, str]) -> Area:  # noqa: UP006
    missing = [key for key in Area._fields[1:] if key not in told]
    if missing:
        raise Wrong(f"[{slug}] lacks {', '.join(missing)}.")
    return Area(**_checked(slug, {"slug": slug, **told}, Area._fields))


def _checked(section: str, told: Dict[str, str], known: Iterable[str]) -> Dict[str, str]:  # noqa: UP006
    for key, value in told.items():
        if key not in known or key not in FORMS:
            raise Wrong(f"[{section}] has {key}, which nobody reads.")
        if not re.fullmatch(FORMS[key][0], value):
            raise Wrong(f"[{section}] {key} is {value!r}: it wants to be {FORMS[key][1]}.")
    return told


def _check_together(site: Site) -> None:
    if not site.areas:
        raise Wrong("There is no area: each is a section of its own.")
    for key in ("base_topic", "pan_id", "port"):
        values = [getattr(area, key).lower() for area in site.areas]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise Wrong(f"Two areas have the {key} {twice[0]}: each needs its own.")
    topics = [*(area.base_topic for area in site.areas), *TAKEN_TOPICS]
    for one in topics:
        for other in topics:
            if one is not other and f"{one}/".startswith(f"{other}/"):
                raise Wrong(f"The base topic {one} stands below {other}: a message would belong to both.")


# --- the broker ------------------------------------------------------------------------------------------------------


def acl(site: Site) -> str:
    """Who may read and write what. A denial comes before whatever else is granted."""
    parts = [["# Made by deploy/areas.py of the inventory: change that. Who is not named may do nothing."]]
    parts += [["user campsite", *_for_us(site)]]
    parts += [[f"user {area.user}", *_for_zigbee2mqtt(site, area)] for area in site.areas]
    if site.homeassistant == "yes":
        parts += [["user homeassistant", *_for_home_assistant(site)]]
    parts += [["user monitor", "topic read $SYS/#"]]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _no_programs(base: str) -> Iterator[str]:
    """Whoever may save a converter or an extension runs programs in that Zigbee2MQTT: nobody may, nor take one away."""
    for kind in ("converter", "extension"):
        yield f"topic deny {base}/bridge/request/{kind}/#"


def _for_us(site: Site) -> Iterator[str]:
    for area in site.areas:
        base = area.base_topic
        yield from _no_programs(base)
        yield f"topic read {base}/#"
        yield f"topic write {base}/bridge/request/#"
        for depth in range(1, DEEPEST_NAME + 1):
            name = "/".join("+" * depth)
            yield from (f"topic write {base}/{name}/{verb}" for verb in ("set", "get"))
            yield f"topic write {base}/{name}/availability"  # what a removed device left behind is cleared
    for above in ("+", "+/+"):  # a Zigbee2MQTT that is no area yet
        yield from (f"topic read {above}/bridge/{what}" for what in ("state", "info"))
    yield "topic readwrite campsite/round-trip"
    yield "topic read $SYS/broker/#"


def _for_zigbee2mqtt(site: Site, area: Area) -> Iterator[str]:
    yield from _no_programs(area.base_topic)
    yield f"topic readwrite {area.base_topic}/#"
    if site.homeassistant == "yes":
        yield "topic readwrite homeassistant/#"


def _for_home_assistant(site: Site) -> Iterator[str]:
    """What meters tell; no secrets, no power. Its word that it has started makes Zigbee2MQTTs announce their meters."""
    for area in site.areas:
        for secret in ("request/#", "response/#", "logging"):
            yield f"topic deny {area.base_topic}/bridge/{secret}"
        yield f"topic read {area.base_topic}/#"
    yield "topic read homeassistant/#"
    yield "topic write homeassistant/status"


def password_line(user: str, password: str) -> str:
    """As `mosquitto_passwd` writes it: PBKDF2 with SHA-512."""
    salt = os.urandom(12)
    words = [base64.b64encode(each).decode() for each in (salt, _hashed(password, salt, HASH_ROUNDS))]
    return f"{user}:$7${HASH_ROUNDS}${words[0]}${words[1]}"


def is_password_of(line: str, user: str, password: str) -> bool:
    """Whether a line of the password file lets this user in with this password."""
    found = re.fullmatch(r"([^:]+):\$7\$(\d{1,9})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)", line)
    if not found or found[1] != user:
        return False
    return hmac.compare_digest(base64.b64decode(found[4]), _hashed(password, base64.b64decode(found[3]), int(found[2])))


def _hashed(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)


def make_broker(site: Site, folder: Path, keys: Path) -> None:
    """`acl` and `passwords`; a line that is right stays as it is, so that what did not change does not differ."""
    path = folder / "passwords"
    old = path.read_text().splitlines() if path.exists() else []
    lines = []
    for user in site.users:
        password = secret(keys, f"mqtt_{user}")
        kept = [line for line in old if is_password_of(line, user, password)]
        lines.append(kept[0] if kept else password_line(user, password))
    put(path, "\n".join(lines) + "\n")
    put(folder / "acl", acl(site))


# --- certificates ----------------------------------------------------------------------------------------------------


def make_certificates(names: Sequence[str], folder: Path, keys: Path) -> None:
    """An authority of our own and the broker's certificate for these names and addresses, where there is none yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca, ca_key = folder / "ca.crt", keys / "mqtt_ca.key"
    if not ca.exists():
        _openssl(f"req -x509 {NEW_KEY} -days 7300 -subj /CN=campsite-broker-authority", ca_key, ca)
        say(f"made {ca}: what connects by TLS is given this file")
    if (folder / "server.crt").exists():
        return
    request, extensions = folder / "server.csr", folder / "server.ext"
    _openssl(f"req -new {NEW_KEY} -subj /CN=campsite-broker", folder / "server.key", request)
    put(extensions, f"subjectAltName={','.join(map(_alternative, names))}\nextendedKeyUsage=serverAuth\n")
    words = f"x509 -req -sha256 -days 3650 -CAcreateserial -in {request.name} -extfile {extensions.name}".split()
    _run(["openssl", *words, "-CA", ca.name, "-CAkey", str(ca_key.resolve()), "-out", "server.crt"], folder)
    for path in (request, extensions, folder / "ca.srl"):
        if path.exists():
            path.unlink()
    say(f"made {folder / 'server.crt'} for {', '.join(names)}")


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        pass
    if not re.fullmatch(r"[A-Za-z0-9.-]+", name):
        raise Wrong(f"{name!r} is neither a name nor an address of the broker.")
    return f"DNS:{name}"


def _openssl(words: str, key: Path, out: Path) -> None:
    _run(["openssl", *words.split(), "-keyout", str(key.resolve()), "-out", str(out.resolve())], out.parent)


def _run(words: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(words, cwd=str(folder), check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    except FileNotFoundError:
        raise Wrong("openssl is not installed here: without it there is no TLS.") from None
    except subprocess.CalledProcessError as failed:
        raise Wrong(f"openssl refused: {failed.stdout.decode(errors='replace').strip()}") from None


# --- the Zigbee2MQTTs ------------------------------------------------------------------------------------------------


def configuration(site: Site, area: Area) -> str:
    """configuration.yaml of this area, with the audit's profile; the network's key is made at its first start."""
    told = {
        "NAME": area.name,
        "BASE_TOPIC": area.base_topic,
        "BROKER": site.broker,
        "USER": area.user,
        "CA": f"  ca: {site.ca}\n" if site.ca else "",
        "PORT": area.port,
        "ADAPTER": area.adapter,
        "CHANNEL": area.channel,
        "PAN_ID": str(int(area.pan_id, 16)),
        "HOMEASSISTANT": "true" if site.homeassistant == "yes" else "false",
    }
    return re.sub(r"@([A-Z_]+)@", lambda found: told[found[1]], TEMPLATE.read_text(encoding="utf-8"))


def make_zigbee2mqtts(site: Site, folder: Path, keys: Path, ca: Path) -> None:
    """A data folder for each area; who has a configuration keeps all of it."""
    for area in site.areas:
        own = folder / area.slug
        password, token = secret(keys, f"mqtt_{area.user}"), secret(keys, f"frontend_{area.slug}")
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        if site.ca and ca.exists():
            put(own / Path(site.ca).name, ca.read_text())
        if (own / "configuration.yaml").exists():
            say(f"{area.slug}: keeps its configuration")
        else:
            put(own / "configuration.yaml", configuration(site, area))
            say(f"{area.slug}: made {own / 'configuration.yaml'}")
        if not (own / "secret.yaml").exists():
            put(own / "secret.yaml", f'password: "{password}"\nfrontend_token: "{token}"\n')
        elif password not in (own / "secret.yaml").read_text():
            say(f"{area.slug}: its secret.yaml has another password than the broker: it will be refused")


# --- files -----------------------------------------------------------------------------------------------------------


def secret(folder: Path, name: str) -> str:
    """The text of this file, made at random where it is missing."""
    path = folder / name
    if not path.exists():
        put(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def put(path: Path, text: str) -> None:
    """Replace the file at once, readable by us alone; what is the same is left alone."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(str(draft), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def say(text: str) -> None:
    print(text)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--inventory", type=Path, default=HERE / "areas.ini", metavar="FILE", help="default: %(default)s")
    add("--secrets", type=Path, metavar="DIR", help="passwords, a file each; made where they are missing")
    add("--mosquitto", type=Path, metavar="DIR", help="write acl and passwords there")
    add("--tls", nargs="+", metavar="NAME", help="and tls/, for these names and addresses of the broker")
    add("--zigbee2mqtt", type=Path, metavar="DIR", help="write SHORT-NAME/configuration.yaml there")
    asked = parser.parse_args(words)
    if (asked.mosquitto or asked.zigbee2mqtt) and not asked.secrets:
        parser.error("--secrets is needed: where the passwords are")
    if asked.tls and not asked.mosquitto:
        parser.error("--tls goes with --mosquitto")
    try:
        site = read(asked.inventory)
        say(f"{len(site.areas)} areas: {', '.join(area.slug for area in site.areas)}")
        if asked.mosquitto:
            make_broker(site, asked.mosquitto, asked.secrets)
        if asked.tls:
            make_certificates(asked.tls, asked.mosquitto / "tls", asked.secrets)
        if asked.zigbee2mqtt:
            ca = (asked.mosquitto or Path()) / "tls" / "ca.crt"
            make_zigbee2mqtts(site, asked.zigbee2mqtt, asked.secrets, ca)
    except Wrong as wrong:
        print(f"areas.py: {wrong}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
