"""How settings are read: NAME from the environment, or the contents of the file that NAME_FILE names."""

import environ
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
