"""The reference of the settings: `python -m campsite.reference` writes docs/settings.md from campsite/settings.py.

What it tells of a setting is the docstring beneath it; type and default are those in the code. Nothing is said twice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "campsite" / "settings.py"
TARGET = ROOT / "docs" / "settings.md"

TYPES = {
    "str": "text",
    "bool": "yes or no",
    "int": "whole number",
    "float": "number",
    "list": "list",
    "dict": "pairs",
    "named": "lines",
}
"""The typed readers of campsite/environment.py, in words."""
ASKED = {"DEBUG", "TESTING"}
"""What is not so in production."""
IN_PRODUCTION = {"PRODUCTION", "HTTPS"}
"""What is."""
UNITS = {
    "_S": "seconds",
    "_MIN": "minutes",
    "_H": "hours",
    "_DAYS": "days",
    "_YEARS": "years",
    "_A_MINUTE": "a minute",
    "_AN_HOUR": "an hour",
    "_LIMIT": "bytes",
}
"""By the end of a setting's name."""

HEAD = """\
# Settings

*Written by `python -m campsite.reference` from `campsite/settings.py`: change it there.*

All settings come from the environment. Only the secret key and the three services must be set; all else has a default.

- **`NAME_FILE`**: each may stand in a file, and the file be named instead: `SECRET_KEY_FILE=/run/secrets/secret_key`
  is `SECRET_KEY`. The newline at its end is no part of it. Do so with all that are marked *secret*: what stands in the
  environment is seen in process lists and in the tools of containers.
- **Yes or no** is `1` or `0`; a **list** is parted by commas; **pairs** are `name=value`, parted by commas; **lines**
  hold one thing each, which is easiest in a file. `BASE_DIR` is the folder of this software.
- What cannot be right is refused at the start, in one sentence that names the setting. What production must have
  stands in [security.md](security.md).
- After a change start web, worker and background jobs anew. [install.md](install.md) says where they are written down.
"""

TAIL = """
## The scripts

`script/server`, `script/manage` and `script/test` set what they need by themselves; what you set goes first. Besides:

| setting | |
|---|---|
| `DATABASE_URL`, `REDIS_URL`, `MQTT_URL` | `script/server` starts no such service of its own then, and uses yours |
| `PYTHON` | the Python, 3.11 or newer, of which `.venv` is made |
| `TWIN_DIR` | a folder with the real Zigbee2MQTT on a simulated radio, for the tests marked `twin` |
"""


class Setting(NamedTuple):
    """`default` as it is written in the code; None: there is none. `told`: the docstring, empty where there is none."""

    name: str
    reader: str
    default: ast.expr | None
    told: str
    section: str

    @property
    def is_secret(self) -> bool:
        return "A secret" in self.told

    @property
    def is_quantity(self) -> bool:
        return self.reader in ("int", "float")

    @property
    def unit(self) -> str:
        """Of a quantity, as its name tells it; "" where it does not."""
        return next((unit for end, unit in UNITS.items() if self.is_quantity and self.name.endswith(end)), "")


def settings(source: str) -> list[Setting]:
    """Every setting that this module reads of the environment, in its order."""
    body = ast.parse(source).body
    told = _docstrings(body)
    headings = _headings(source)
    found = []
    for statement in body:
        above = [heading for line, heading in headings if line < statement.lineno]
        for call, reader in _readings(statement):
            name = ast.literal_eval(call.args[0])
            words = told.get(name) or told.get(_target(statement), "")
            found.append(Setting(name, reader, _default(call), words, above[-1] if above else ""))
    return found


def text(found: Sequence[Setting]) -> str:
    """The page: a table for each section."""
    parts = [HEAD]
    for section in dict.fromkeys(each.section for each in found):
        parts += [f"\n## {section[:1].upper()}{section[1:]}\n\n| setting | type; default | |\n|---|---|---|\n"]
        parts += [_row(each) for each in found if each.section == section]
    return "".join([*parts, TAIL])


def _row(each: Setting) -> str:
    kind = "lines" if each.reader == "str" and "line each" in each.told else TYPES[each.reader]
    about = "; ".join(part for part in (kind, "**secret**" * each.is_secret, _shown(each.default)) if part)
    told = re.sub(r"\bdocs/([\w.-]+\.md)\b", r"[\1](\1)", " ".join(each.told.split())).replace("|", "\\|")
    return f"| `{each.name}` | {about} {each.unit}".rstrip() + f" | {told} |\n"


def _shown(default: ast.expr | None) -> str:
    """What it is in production; "" where it is empty."""
    if isinstance(default, ast.IfExp) and ASKED & _names(default.test):
        return _shown(default.orelse)
    if isinstance(default, ast.IfExp) and _names(default.test) <= IN_PRODUCTION:
        return _shown(default.body)
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "str":
        return _shown(default.args[0])
    if isinstance(default, ast.List):
        return ", ".join(_shown(each) for each in default.elts)
    if default is None or ast.unparse(default) in ("''", "{}"):
        return ""
    if ast.unparse(default) in IN_PRODUCTION:
        return "`1`"
    if isinstance(default, ast.BoolOp | ast.UnaryOp) and _names(default) <= ASKED:
        return f"`{int(isinstance(default, ast.UnaryOp))}`"  # DEBUG or TESTING; not DEBUG
    if isinstance(default, ast.Constant):
        return f"`{int(default.value) if isinstance(default.value, bool) else str(default.value)}`"
    return f"`{ast.unparse(default)}`"


def _names(expression: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(expression) if isinstance(each, ast.Name)}


def _readings(statement: ast.stmt) -> Iterator[tuple[ast.Call, str]]:
    """Calls such as env.int("NAME", default=1), and environment.named("NAME")."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of = ast.unparse(node.func.value)
            if (of == "env" and node.func.attr in TYPES) or (of == "environment" and node.func.attr == "named"):
                yield node, node.func.attr


def _default(call: ast.Call) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == "default"), None)


def _target(statement: ast.stmt) -> str:
    """What a statement assigns to; "" where it does something else."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return next((each.id for each in targets if isinstance(each, ast.Name)), "")


def _docstrings(body: Sequence[ast.stmt]) -> dict[str, str]:
    """By the name that is assigned: the text that stands beneath."""
    return {
        _target(statement): below.value.value
        for statement, below in pairwise(body)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def _headings(source: str) -> list[tuple[int, str]]:
    """The comments `# --- title ---`, with their lines."""
    found = (re.fullmatch(r"# --- (.+?) -+", line) for line in source.splitlines())
    return [(number, match[1]) for number, match in enumerate(found, 1) if match]


if __name__ == "__main__":
    TARGET.write_text(text(settings(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
