"""What the suite itself relies on."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.utils import timezone

from tests import emptied, make
from tests.meters.harness import until

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.xdist_group("together")
def test_what_belongs_together_runs_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist 3.8 with pytest 9.2 forgets groups, and says nothing: each test then starts its browser or radio."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("groups are not asked for in this run: pytest -n 6 --dist loadgroup")
    assert request.node.nodeid.endswith("@together")


@pytest.mark.django_db(transaction=True)
def test_a_test_that_commits_leaves_the_tables_as_the_migrations_made_them() -> None:
    def rows() -> dict[str, int]:
        return {model._meta.db_table: model._default_manager.count() for model in apps.get_models()}

    before = rows()
    make.reading(make.meter("101", area=make.area()), timezone.now(), power_w=1)
    Group.objects.all().delete()
    assert before["meters_reading"] == 0
    assert rows() != before
    emptied.restore()
    assert rows() == before


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """script/test where ruff, mypy and pytest are as a test makes them: they have nothing to say."""
    for folder in ("script", ".venv/bin", "tmp"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "script" / "test", tmp_path / "script")
    (tmp_path / "script" / "bootstrap").touch()
    for program in ("ruff", "mypy", "pytest"):
        becomes(tmp_path, program, "exit 0")
    return tmp_path


def becomes(tree: Path, program: str, line: str) -> None:
    path = tree / ".venv" / "bin" / program
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def begun(tree: Path) -> subprocess.Popen[str]:
    """As from a terminal: it and its children hear Ctrl-C."""
    return subprocess.Popen(
        [tree / "script" / "test"],
        env=os.environ | {"TMPDIR": str(tree / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what is ignored cannot be trapped
    )


@pytest.mark.parametrize("wrong", ["", "ruff", "mypy", "pytest"])
def test_a_whole_run_ends_well_if_and_only_if_all_of_it_did(tree: Path, wrong: str) -> None:
    if wrong:
        becomes(tree, wrong, "echo said; exit 2")
    running = begun(tree)
    told, _ = running.communicate(timeout=30)
    assert (running.returncode != 0) is ("failed:" in told) is ("said" in told) is bool(wrong)
    assert list((tree / "tmp").iterdir()) == []


FAILS = """
cd "$(dirname "$0")/../.." && echo "$*" >> asked && mkdir -p .pytest_cache/v/cache
printf '{\\n  "tests/a.py::test_b": true%s\\n}' '{more}' > .pytest_cache/v/cache/lastfailed
case "$*" in *--last-failed*) exit {again};; *) exit {first};; esac
"""


@pytest.mark.parametrize(
    ("first", "more", "again", "runs", "is_well"),
    [
        pytest.param(1, "", 0, 2, True, id="a deadline was missed"),
        pytest.param(1, "", 1, 2, False, id="it is broken"),
        pytest.param(1, ',\n"c": true' * 5, 0, 1, False, id="too much is broken"),
        pytest.param(2, "", 0, 1, False, id="it was interrupted"),
    ],
)
def test_what_failed_beside_others_must_pass_alone_and_is_told(tree, first, more, again, runs, is_well) -> None:
    script = FAILS.replace("{more}", more).replace("{again}", str(again)).replace("{first}", str(first))
    becomes(tree, "pytest", script)
    running = begun(tree)
    told, _ = running.communicate(timeout=30)
    assert len((tree / "asked").read_text().splitlines()) == runs
    assert (running.returncode == 0) is is_well is ("a race that wants looking at" in told)


def test_ctrl_c_leaves_nothing_of_a_run_behind(tree: Path) -> None:
    becomes(tree, "mypy", f"echo $$ > {tree}/pid; exec sleep 60")
    becomes(tree, "pytest", f"touch {tree}/testing; sleep 60")
    running = begun(tree)
    pid = until(lambda: (tree / "testing").exists() and _read(tree / "pid"), "types and tests under way")
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(30) == 130
    until(lambda: not Path(f"/proc/{pid}").exists(), "mypy's end")
    assert list((tree / "tmp").iterdir()) == []


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
