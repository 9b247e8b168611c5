"""The shape that every change keeps to: who may import whom, who may write which table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command

ROOT = Path(settings.BASE_DIR)
APPS = ("meters", "bookings", "monitoring")
ALLOWED = {"meters": set(), "bookings": {"meters"}, "monitoring": {"meters", "bookings"}, "campsite": set(APPS)}
ONLY = {
    "paho": {"meters/mqtt.py"},
    "channels.layers": {"meters/live.py"},
    "environ": {"campsite/environment.py"},
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
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


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
        if "/simulation/" in path or "/admin/" in path:
            continue
        for model, verb in written(tree):
            if owner := owners.get(model):
                assert path.startswith(owner), f"{path} calls {model}.….{verb}, which belongs to {owner}"


def written(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(model, verb) for each `Model.objects.….verb(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            inner = ast.unparse(node.func.value)
            if match := re.match(r"(\w+)\.objects\b", inner):
                yield match[1], node.func.attr


def test_tables_are_written_in_sql_by_their_writers_alone() -> None:
    owners = {
        model._meta.db_table: writers().get(model.__name__) for model in apps.get_app_config("meters").get_models()
    }
    statement = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM)\s+(meters_\w+)")
    for path, tree in modules("meters"):
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        for table in {table for text in texts for table in statement.findall(text)}:
            owner = owners.get(table)
            assert owner is None or path.startswith(owner), f"{path} writes {table}"
