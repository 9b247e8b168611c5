"""What each Zigbee2MQTT's configuration was when, as text in a git history, without its secrets. The only module that
uses dulwich.

The folder holds no working copy, so that a power cut leaves nothing half written: a change is there once its commit is.
`git -C FOLDER log -p` reads it too.
"""

from __future__ import annotations

import difflib
import json
import re
import stat
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from dulwich.errors import NotGitRepository, ObjectFormatException
from dulwich.file import FileLocked
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from meters import requests
from meters.models import Area, BridgeRequest
from monitoring.backup import BackupError, stripping
from monitoring.backup.contents import Contents

AUTHOR = b"campsite software <campsite@localhost>"
MAIN, HEAD = Ref(b"refs/heads/main"), Ref(b"HEAD")
LEFT_LOCK_S = 600
"""A lock that is older was left by somebody who was killed."""
MOST_TEXT = 1_000_000
MOST_ASKED, LONGEST_LINE = 50, 300
MOST_LINES, FEW_LINES = 400, 40
"""So much of a file's change is shown, and so much without being asked for."""
UNFIT = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
CHANGES_NOTHING = (requests.BACKUP, "health_check", "coordinator_check", "networkmap")


class HistoryError(BackupError):
    """It cannot be read or written."""


# --- writing ---------------------------------------------------------------------------------------------------------


def note(area: Area, found: Contents, now: datetime) -> list[str]:
    """Commit what changed of this area, if anything did. Returns what went wrong, for people: no backup fails by it."""
    if not settings.BACKUP_HISTORY:
        return []
    try:
        texts = stripping.texts(found, _ours())
        if sum(map(len, texts.values())) > MOST_TEXT:
            raise HistoryError(gettext("The configuration is too big for the history."))
        with _opened(make=True) as repository:
            _commit(repository, area, texts, now)
    except HistoryError as wrong:
        return [str(wrong)]
    return []


def _ours() -> list[str]:
    """Secrets of ours that may stand in a Zigbee2MQTT's configuration."""
    return [unquote(urlsplit(settings.MQTT_URL).password or "")]


def _commit(repository: Repo, area: Area, texts: Mapping[str, str], now: datetime) -> None:
    store, before = repository.object_store, _newest(repository)
    folder, root = Tree(), _root(repository, before)
    for name, text in texts.items():
        blob = Blob.from_string(text.encode("utf-8", "backslashreplace"))
        store.add_object(blob)
        folder.add(name.encode(), stat.S_IFREG | 0o644, blob.id)
    if _place(root, area.slug) == folder.id:
        return
    root.add(area.slug.encode(), stat.S_IFDIR, folder.id)
    for tree in (folder, root):
        store.add_object(tree)
    made = _made(area, _message(area, _last(repository, area), texts), now)
    made.tree, made.parents = root.id, [before] if before else []
    store.add_object(made)
    if HEAD not in repository.refs.allkeys():
        repository.refs.set_symbolic_ref(HEAD, MAIN)
    refs = repository.refs
    if not (refs.set_if_equals(MAIN, before, made.id) if before else refs.add_if_new(MAIN, made.id)):
        raise HistoryError(gettext("Somebody else has just written to the history."))


def _made(area: Area, message: str, now: datetime) -> Commit:
    made = Commit()
    made.author = made.committer = AUTHOR
    made.author_time = made.commit_time = int(now.timestamp())
    made.author_timezone = made.commit_timezone = 0
    made.encoding = b"UTF-8"
    made.message = message.encode("utf-8", "backslashreplace")
    return made


# --- who asked for what ----------------------------------------------------------------------------------------------


def _message(area: Area, since: datetime | None, texts: Mapping[str, str]) -> str:
    title = _line(area.name)
    if since is None:
        first = gettext("The first backup of this area.")
        return f"{title}\n\n{first}\n"
    asked = list(_asked(area, since))
    if not asked:
        nobody = gettext(
            "Nothing was asked of it from here since then: somebody else changed it, or it changed by itself."
        )
        return f"{title}\n\n{nobody}\n"
    head = gettext("Asked of it from here since %(moment)s:") % {"moment": _moment(since)}
    more = [gettext("… and %(count)d more") % {"count": len(asked) - MOST_ASKED}] if len(asked) > MOST_ASKED else []
    return "\n".join([title, "", head, *asked[:MOST_ASKED], *more, ""])


def _asked(area: Area, since: datetime) -> Iterator[str]:
    """Every request that Zigbee2MQTT has carried out: when, by whom, what."""
    done = BridgeRequest.objects.filter(area=area, status=BridgeRequest.Status.DONE, created_at__gte=since)
    strip = stripping.Stripper(_ours())
    for each in done.exclude(request__in=CHANGES_NOTHING).defer("response").select_related("by").order_by("pk"):
        payload = json.dumps(strip.tree(each.payload), ensure_ascii=False, sort_keys=True)
        who = each.by.get_username() if each.by else gettext("the software")
        yield _line(f"{_moment(each.created_at)} {who}: {each.request} {payload}")


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at, timezone.get_default_timezone()):%Y-%m-%d %H:%M}"


def _line(text: str) -> str:
    """Without signs that cannot be seen, or that end a line."""
    return "".join(sign if unicodedata.category(sign) not in UNFIT else " " for sign in text)[:LONGEST_LINE]


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileChange:
    """`lines` as `diff -u` writes them; `left_out`: so many more. `added`, `removed`: of all."""

    name: str
    lines: tuple[str, ...]
    left_out: int
    added: int
    removed: int

    @property
    def is_short(self) -> bool:
        return self.left_out + len(self.lines) <= FEW_LINES


@dataclass(frozen=True, slots=True)
class Change:
    """`text`: what is said of it, on its first line, and what was asked for, on a line each."""

    id: str
    at: datetime
    title: str
    text: str
    files: tuple[FileChange, ...]

    @property
    def said(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def asked(self) -> list[str]:
        return self.text.splitlines()[1:]


def changes(area: Area, most: int, after: str = "") -> list[Change]:
    """Of this area, the newest first, or those before the change `after`. Raises HistoryError."""
    if not settings.BACKUP_HISTORY or not (Path(settings.BACKUP_HISTORY) / "objects").is_dir():
        return []
    with _opened() as repository:
        start = after.encode() if after else _newest(repository)
        if start is None:
            return []
        if not re.fullmatch(rb"[0-9a-f]{40}", start) or start not in repository:
            raise HistoryError(gettext("The history knows no such change."))
        found = (each for each in _of(repository, area.slug, ObjectID(start)) if each.id != start or not after)
        return [_change(repository, commit, area.slug) for commit in islice(found, most)]


def _change(repository: Repo, commit: Commit, slug: str) -> Change:
    title, _, text = commit.message.decode("utf-8", "replace").partition("\n")
    before = _folder(repository, commit.parents[0] if commit.parents else None, slug)
    now = _folder(repository, commit.id, slug)
    names = [name for name in sorted(before | now) if before.get(name) != now.get(name)]
    files = tuple(_file_change(repository, name, before.get(name), now.get(name)) for name in names)
    return Change(commit.id.decode(), datetime.fromtimestamp(commit.commit_time, UTC), title, text.strip(), files)


def _file_change(repository: Repo, name: str, before: ObjectID | None, now: ObjectID | None) -> FileChange:
    old, new = (_lines(repository, each) for each in (before, now))
    lines = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]  # the names are told above
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    return FileChange(name, tuple(lines[:MOST_LINES]), max(len(lines) - MOST_LINES, 0), added, removed)


def _lines(repository: Repo, blob: ObjectID | None) -> list[str]:
    found = repository[blob] if blob else None
    return found.data.decode("utf-8", "replace").splitlines() if isinstance(found, Blob) else []


# --- the repository --------------------------------------------------------------------------------------------------


@contextmanager
def _opened(*, make: bool = False) -> Iterator[Repo]:
    """Raises HistoryError for all that may be wrong with the folder."""
    folder = Path(settings.BACKUP_HISTORY)
    try:
        if make and not (folder / "objects").is_dir():
            _make(folder)
        with Repo(str(folder)) as repository:
            _unlock(folder)
            yield repository
    except (OSError, NotGitRepository, FileLocked, ObjectFormatException, KeyError, ValueError) as wrong:
        told = {"folder": folder, "why": type(wrong).__name__}
        raise HistoryError(gettext("The history in %(folder)s cannot be used (%(why)s).") % told) from wrong


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise NotGitRepository
    Repo.init_bare(str(folder), default_branch=b"main").close()


def _unlock(folder: Path) -> None:
    for lock in (folder / "HEAD.lock", folder / "refs" / "heads" / "main.lock"):
        if lock.exists() and time.time() - lock.stat().st_mtime > LEFT_LOCK_S:
            lock.unlink(missing_ok=True)


def _newest(repository: Repo) -> ObjectID | None:
    return repository.refs[MAIN] if MAIN in repository.refs.allkeys() else None


def _root(repository: Repo, commit: ObjectID | None) -> Tree:
    found = repository[commit] if commit else None
    tree = repository[found.tree] if isinstance(found, Commit) else None
    return tree if isinstance(tree, Tree) else Tree()


def _place(root: Tree, slug: str) -> ObjectID | None:
    """The tree that is this area's folder."""
    return root[slug.encode()][1] if slug.encode() in root else None


def _folder(repository: Repo, commit: ObjectID | None, slug: str) -> dict[str, ObjectID]:
    """File → blob."""
    place = _place(_root(repository, commit), slug)
    tree = repository[place] if place else None
    return {item.path.decode(): item.sha for item in tree.items()} if isinstance(tree, Tree) else {}


def _last(repository: Repo, area: Area) -> datetime | None:
    """When this area last changed."""
    found = next(_of(repository, area.slug, _newest(repository)), None)
    return datetime.fromtimestamp(found.commit_time, UTC) if found else None


def _of(repository: Repo, slug: str, start: ObjectID | None) -> Iterator[Commit]:
    """The commits that changed this area's folder, back from there; each has one before it at most."""
    while start is not None and isinstance(commit := repository[start], Commit):
        before = commit.parents[0] if commit.parents else None
        if _place(_root(repository, start), slug) != _place(_root(repository, before), slug):
            yield commit
        start = before
