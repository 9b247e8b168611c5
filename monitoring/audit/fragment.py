"""An area's part of configuration.yaml as it should be, to be merged by hand. Pure; it holds no secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext

from monitoring.audit import profile
from monitoring.audit.facts import AreaFacts
from monitoring.audit.profile import Setting
from monitoring.audit.settings import value_of

PLAIN_KEY = re.compile(r"[a-z_]+")


def text(facts: AreaFacts) -> str:
    """YAML: what fits already as it is, everything else as it is wanted, each with its reason."""
    head = gettext("To be merged into configuration.yaml of this area; whatever else stands there stays.")
    tree: dict[str, Any] = {}
    for setting in profile.SETTINGS:
        *parents, last = setting.path
        inner = tree
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = setting
    return "\n".join([f"# {facts.area.slug}", f"# {head}", *_lines(tree, facts, 0)]) + "\n"


def _lines(tree: Mapping[str, Any], facts: AreaFacts, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, inner in tree.items():
        key = name if PLAIN_KEY.fullmatch(name) else json.dumps(name)
        if isinstance(inner, Setting):
            yield f"{indent}# {inner.why}"
            yield f"{indent}{key}: {json.dumps(_wanted(inner, facts))}"  # JSON is YAML
        else:
            yield f"{indent}{key}:"
            yield from _lines(inner, facts, depth + 1)


def _wanted(setting: Setting, facts: AreaFacts) -> Any:
    value = value_of(setting, facts)
    return value if setting.fits.fits(value) else setting.cured(value)
