"""How settings are read: NAME from the environment, or the contents of the file that NAME_FILE names."""

import re

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping


class _Files(FileAwareMapping):  # type: ignore[misc]  # django-environ has no types
    """A file usually ends with a newline, which is no part of the secret."""

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.rstrip("\r\n")


def reader() -> environ.FileAwareEnv:
    """django-environ's typed readers: `reader().int("PORT", default=80)`. Reads anew at each call."""
    env = environ.FileAwareEnv()
    env.ENVIRON = _Files(cache=False)
    return env


def named(variable: str) -> dict[str, str]:
    """The lines of a setting, each a name and what it names: "nas file:///mnt/nas".

    Raises ImproperlyConfigured, without quoting what may be secret.
    """
    lines = [line.split(maxsplit=1) for line in reader().str(variable, default="").splitlines() if line.strip()]
    if not all(len(line) == 2 and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", line[0]) for line in lines):
        raise ImproperlyConfigured(
            f"{variable} needs a line each: a name (a-z, 0-9, - and _), a blank, and what it is."
        )
    if len({line[0] for line in lines}) < len(lines):
        raise ImproperlyConfigured(f"{variable} has a name twice.")
    return {line[0]: line[1].strip() for line in lines}
