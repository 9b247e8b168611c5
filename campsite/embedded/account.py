"""Which user the servers run as, and where that user can reach files; root drops to an ordinary one."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")
OUTSIDE = Path("/var/lib/campsite-embedded")
"""Where root keeps what the dropped user could not reach in the project."""
SOCKET_PATH_BYTES = 100  # macOS allows 103, Linux 107


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def can(self, flag: str, path: Path) -> bool:
        """Whether `test <flag> <path>` holds for this user; tried out, since modes are not the whole truth."""
        words = ["/bin/sh", "-c", 'test "$0" "$1"', flag, str(path)]
        if self.uid == os.geteuid():
            return subprocess.run(words, check=False).returncode == 0
        asked = subprocess.run(words, check=False, cwd="/", user=self.uid, group=self.gid, extra_groups=[])
        return asked.returncode == 0

    def own_directory(self, path: Path) -> Path:
        """Make a directory that only this user enters. Raises PermissionError when it is somebody else's."""
        try:
            path.mkdir(mode=0o700)
            os.chown(path, self.uid, self.gid)
        except FileExistsError:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid or found.st_mode & 0o077:
                raise PermissionError(f"{path} should be a directory of user {self.uid} alone; remove it.") from None
        return path

    def own_file(self, path: Path, text: str) -> Path:
        """Write a file that only this user (and root) reads."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        os.chown(path, self.uid, self.gid)
        return path


def find(homes: Iterable[Path]) -> Account:
    """The user for the servers: ourselves, or for root the owner of what is already there, or postgres, or nobody.

    Raises LookupError when this machine has none that will do.
    """
    if os.geteuid():
        return Account(os.geteuid(), os.getegid())
    owners = [home.stat().st_uid for home in homes if home.exists()]
    candidates: list[int | str] = [*filter(None, owners), *UNPRIVILEGED]
    for who in candidates:
        try:
            entry = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LookupError(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as. "
        "Start as an ordinary user, or set DATABASE_URL."
    )


def passage(directory: Path) -> Path:
    """Make a directory that others pass through but do not look into, whatever the umask says."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)
    return directory


def has_name(account: Account) -> bool:
    """Whether the user stands in the password database; initdb insists."""
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        return False
    return True


def key(root: Path) -> str:
    """A short name for this state directory, in places that several of them share."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:10]


def sockets(account: Account, root: Path) -> Path:
    """A private directory for sockets with a path short enough for every system."""
    name = f"emb-{account.uid}-{key(root)}"
    wanted = Path(tempfile.gettempdir())
    fits = len(os.fsencode(wanted / name / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_BYTES
    return account.own_directory((wanted if fits and account.can("-x", wanted) else Path("/tmp")) / name)  # noqa: S108


def program(account: Account, package: str, pattern: str) -> Path | None:
    """A program inside an installed package, or for a user who cannot run it there, inside a copy.

    None when it is not installed. The shared libraries of a wheel lie beside its package and are found by that.
    """
    spec = importlib.util.find_spec(package)
    installed = Path(spec.origin).parent if spec and spec.origin else None
    found = next(installed.glob(pattern), None) if installed else None
    if installed is None or found is None or account.can("-x", found):
        return found
    copy = passage(OUTSIDE) / "packages" / f"{package}-{importlib.metadata.version(package.replace('_', '-'))}"
    if not copy.exists():
        _copy([installed, installed.with_name(f"{package}.libs")], copy)
    return copy / found.relative_to(installed.parent)


def _copy(directories: list[Path], target: Path) -> None:
    """All or nothing, also when two of us do it at once."""
    passage(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
        new = passage(Path(unfinished) / "new")
        for directory in filter(Path.exists, directories):
            unneeded = shutil.ignore_patterns("include", "*.a", "__pycache__", "*.py")
            shutil.copytree(directory, new / directory.name, symlinks=True, ignore=unneeded)
        for path in new.rglob("*"):  # they may have been installed for their owner alone
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            new.rename(target)
        except OSError:
            if not target.exists():
                raise
