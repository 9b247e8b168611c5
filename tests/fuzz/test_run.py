"""script/fuzz: what it tells of a target that it tried."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.targets import TARGETS


def test_each_target_has_something_to_begin_with() -> None:
    assert run.targets() == sorted(TARGETS)


@pytest.mark.services
@pytest.mark.skipif(not find_spec("atheris"), reason=run.NEEDS)
def test_a_target_that_keeps_its_promise_is_tried_on_and_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.fuzz.run", "--minutes", "0.02", "complaint"]
    where = os.environ | {"FUZZ_CORPUS": str(tmp_path)}
    told = subprocess.run(words, cwd=run.ROOT, env=where, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    tried = re.fullmatch(r"complaint: ([\d,]+) tried; reached (\d+) → (\d+) branches, .*\n", told.stdout)
    assert tried, told.stdout
    assert int(tried[1].replace(",", "")) > 100
    assert int(tried[3]) >= int(tried[2]) > 10


def test_what_broke_a_promise_is_told_with_how_far_it_came() -> None:
    log = "#4 INITED cov: 18 ft: 20 corp: 3/10b\n#9 NEW cov: 21 ft: 38 corp: 6/30Kb\n"
    log += "stat::number_of_executed_units: 352\n"
    assert run.summary(log) == "352 tried; reached 18 → 21 branches, 38 features; 6 kept in the corpus"
    assert run.summary("ImportError") == "0 tried"
