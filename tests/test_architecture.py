"""The shape that every change keeps to: who may import whom, who may write which table."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.management import call_command, get_commands, load_command_class
from django.db.models import ForeignKey, ForeignObjectRel

from campsite import urls

ROOT = Path(settings.BASE_DIR)
APPS = ("meters", "bookings", "monitoring")
ALLOWED = {"meters": set(), "bookings": {"meters"}, "monitoring": {"meters", "bookings"}, "campsite": set(APPS)}
ONLY = {
    "paho": {"meters/mqtt.py"},
    "channels.layers": {"meters/live.py"},
    "environ": {"campsite/environment.py"},
    "apprise": {"meters/outbound.py"},
    "prometheus_client": {"monitoring/metrics/families.py"},
    "segno": {"meters/qr.py"},
    "axes": {
        *("campsite/login/attempts.py", "campsite/login/lists.py", "campsite/login/pages.py"),
        *("monitoring/checks/logins.py", "monitoring/retention/others.py"),
    },
    "django_otp": {"campsite/login/factors.py"},
    "markdown_it": {"monitoring/runbook.py"},
    "dulwich": {"monitoring/backup/history.py"},
    "pyarrow": {"meters/files/as_parquet.py"},
    "pyrage": {"monitoring/backup/sealing.py"},
    "boto3": {"monitoring/backup/stores/s3.py"},
    "paramiko": {"monitoring/backup/stores/sftp.py"},
}
ENVIRONMENT = {"campsite/settings.py", "campsite/asgi.py", "manage.py"}
"""asgi.py and manage.py name the settings module, as Django's do. campsite/embedded runs before there are settings."""

WRITES = {"create", "bulk_create", "update", "bulk_update", "update_or_create", "get_or_create", "delete", "save"}
READS_ONLY = {"Meter", "Area", "Pitch", "Installation"}
"""Staff's own tables: the admin's forms write them too; what machines write of them is named in their docstrings."""


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), parsed(path)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("app", [*APPS, "campsite"])
def test_imports_point_one_way(app: str) -> None:
    for path, tree in modules(app):
        used = {name.partition(".")[0] for name in imports(tree)} & {*APPS, "campsite"}
        assert used - {app} <= ALLOWED[app], path


def test_no_modules_import_each_other() -> None:
    """Nor in a ring: there is an order to read them in. CycleError names the ring."""
    trees = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree
        for path, tree in modules(*APPS, "campsite")
    }
    needs: dict[str, set[str]] = {}
    for name, tree in trees.items():
        froms = [
            (node.module, each.name) for node in tree.body if isinstance(node, ast.ImportFrom) for each in node.names
        ]
        told = [f"{module}.{what}" if f"{module}.{what}" in trees else module for module, what in froms]
        needs[name] = {module for module in told if module in trees and module != name}
    TopologicalSorter(needs).prepare()


def test_no_further_app() -> None:
    ours = {config.name for config in apps.get_app_configs() if Path(config.path).is_relative_to(ROOT / config.name)}
    assert ours == {*APPS, "campsite"}


@pytest.mark.django_db
def test_every_change_of_a_table_has_its_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True)


@pytest.mark.parametrize("package", ONLY)
def test_each_library_of_the_outside_world_has_one_door(package: str) -> None:
    users = {
        path
        for path, tree in modules(*APPS, "campsite")
        if any(f"{n}.".startswith(f"{package}.") for n in imports(tree))
    }
    assert users == ONLY[package]


def test_only_the_settings_read_the_environment() -> None:
    for path, tree in modules(*APPS, "campsite"):
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if names & {"environ", "getenv"} and not path.startswith("campsite/embedded/"):
            assert path in ENVIRONMENT, path


def writers() -> dict[str, str]:
    """Model → the one module (or package) that writes it, as its docstring names it."""
    found = {}
    for config in map(apps.get_app_config, APPS):
        for model in config.get_models():
            told = re.search(r"[Ww]ritten\s+only\s+by\s+(\w+/\w+)", model.__doc__ or "")
            if told:
                found[model.__name__] = told[1]
    return found


def test_every_table_that_machines_write_names_its_writer() -> None:
    models = {model.__name__ for config in map(apps.get_app_config, APPS) for model in config.get_models()}
    assert models - set(writers()) <= READS_ONLY


def test_each_table_is_written_by_its_writer_alone() -> None:
    owners = writers()
    for path, tree in modules(*APPS):
        if "/simulation/" in path:
            continue
        for model, verb in written(tree):
            if owner := owners.get(model):
                assert path.startswith(owner), f"{path} calls {verb} of {model}, which belongs to {owner}"


@pytest.mark.parametrize(
    "write",
    [
        "def f():\n Want.objects.filter(pk=1).exclude(pk=2).delete()",
        "def f():\n found = Want.objects.all()\n found.update(hold='')",
        "def f(want: Want | None):\n want.save()",
        "def f(wants: Sequence[Want]):\n for each in wants:\n  each.delete()",
        "def f(meter: Meter):\n meter.wants.update(hold='')",
        "def f(meter):\n meter.wants.create()",
        "def f(command: Command):\n command.want.save()",
        "def f():\n made, is_new = Want.objects.filter(pk=1).get_or_create()\n made.save()",
        "def found() -> QuerySet[Want]:\n return ...\ndef f():\n found().update(hold='')",
        "def f():\n want = told.get(1) or Want()\n want.save()",
    ],
)
def test_a_write_is_seen_however_the_row_was_come_by(write: str) -> None:
    tree = ast.parse(f"from meters.models import Command, Meter, Want\n{write}")
    assert {model for model, _verb in written(tree)} == {"Want"}


@cache
def relations() -> dict[str, str]:
    """Attribute → the model that it leads to."""
    found: dict[str, set[str]] = defaultdict(set)
    for model in (model for config in map(apps.get_app_config, APPS) for model in config.get_models()):
        for field in model._meta.get_fields():
            if isinstance(field, ForeignObjectRel) and (name := field.get_accessor_name()):
                found[name].add(field.related_model.__name__)
            elif isinstance(field, ForeignKey):
                found[field.name].add(field.related_model.__name__)
    return {name: models.pop() for name, models in found.items() if len(models) == 1}


def written(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(model, verb) of each call that writes through a manager, or through what a name stands for: a query or a row, as
    far as the module's annotations and the function's assignments tell.
    """
    ours = {name.rpartition(".")[2] for name in imports(tree) if ".models." in name}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    known = {name: name for name in ours} | {f.name: model for f in functions if (model := annotated(f.returns, ours))}
    for function in functions:
        arguments = [*function.args.args, *function.args.kwonlyargs]
        names = known | {a.arg: model for a in arguments if (model := annotated(a.annotation, ours))}
        for target, value in assigned(function):
            if isinstance(target, ast.Name) and (model := leads_to(value, names)):
                names[target.id] = model
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(value, verb)) if verb in WRITES and (model := leads_to(value, names)):
                    yield model, verb


def assigned(function: ast.FunctionDef) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each name of the function with what it stands for, or is one of."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=[target, *_])], value=value) | ast.Assign([target], value):
                yield target, value
            case ast.NamedExpr(target, value) | ast.For(target, value) | ast.comprehension(target, value):
                yield target, value


def annotated(annotation: ast.expr | None, ours: Collection[str]) -> str | None:
    """The model of a row, or of several: `Want | None`, `QuerySet[Want]`."""
    match = re.fullmatch(r"(?:\w+\[)?(\w+)\]?(?: \| None)?", ast.unparse(annotation)) if annotation else None
    return match[1] if match and match[1] in ours else None


def leads_to(value: ast.expr, names: Mapping[str, str]) -> str | None:
    """The model whose query or row this is."""
    match value:
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            return names.get(name)
        case ast.Attribute(value=inner, attr=name):
            return relations().get(name) or leads_to(inner, names)
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return leads_to(inner, names)
        case ast.BoolOp(values=several):
            return next(filter(None, (leads_to(each, names) for each in several)), None)
    return None


def test_tables_are_written_in_sql_by_their_writers_alone() -> None:
    owners = {model._meta.db_table: writers().get(model.__name__) for model in apps.get_models()}
    statement = re.compile(rf"(?:INSERT INTO|UPDATE|DELETE FROM)\s+((?:{'|'.join(APPS)})_\w+)")
    for path, tree in modules(*APPS):
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        for table in {table for text in texts for table in statement.findall(text)}:
            owner = owners.get(table)
            assert owner is None or path.startswith(owner), f"{path} writes {table}"


def test_who_serves_no_pages_loads_none() -> None:
    """Each start of the worker, and each container's probe, would take half a second of a processor more."""
    told = "import sys, django; django.setup(); import meters.worker; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", told],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "campsite.settings", "SECRET_KEY": "x"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = set(ran.stdout.split())
    assert "meters.worker" in loaded
    assert not loaded & {f"{app}.admin" for app in APPS} | loaded & {"campsite.urls", "monitoring.backup.runs"}


def test_no_command_looks_at_all_pages_before_it_begins() -> None:
    """That takes a second of a processor. qcluster does, and loads by it what its processes then share."""
    ours = {name: app for name, app in get_commands().items() if app in {*APPS, "campsite"}}
    look = {name for name, app in ours.items() if load_command_class(app, name).requires_system_checks}
    assert look == {"qcluster"}


def test_djangos_checks_have_nothing_to_say_of_the_admins_pages() -> None:
    """Loaded here: `check` may look at them before it has loaded the addresses, and with them the pages."""
    assert {model._meta.app_label for model in urls.admin.site._registry} >= set(APPS)
    assert checks.run_checks(tags=["admin"]) == []
