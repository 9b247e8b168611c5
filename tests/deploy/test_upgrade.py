"""deploy/upgrade itself, on a site that runs natively: another version within a minute, nothing lost, and back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.deploy.composed import ROOT
from tests.deploy.engine import Engine
from tests.deploy.native import PROBE_S, Site
from tests.meters.harness import Fleet, until

pytestmark = [pytest.mark.services, pytest.mark.long, pytest.mark.mosquitto, pytest.mark.xdist_group("deploy")]
MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("meters", {latest!r})]
    operations = [migrations.RunSQL("ALTER TABLE meters_area ADD COLUMN tried integer NOT NULL DEFAULT 0")]
"""
BASE = "zigbee2mqtt_area2"
AREAS = f"""
from meters import notify
from meters.models import Area
Area.objects.update(in_service=False)  # nobody answers there, when asked for a backup
Area.objects.create(slug="syd", name="Syd", base_topic={BASE!r})
notify.touch()
"""
PER_SECOND = 10


@pytest.fixture(scope="module")
def engine(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The next version has a migration; the one after it does not even start."""
    folder = tmp_path_factory.mktemp("versions")
    for version in ("1.1.0", "1.2.0"):
        shutil.copytree(
            ROOT, folder / version, ignore=shutil.ignore_patterns(".*", "tests", "node_modules", "__pycache__")
        )
        shutil.copy(ROOT / ".dockerignore", folder / version)
        latest = max(path.stem for path in (folder / version / "meters/migrations").glob("0*.py"))
        (folder / version / "meters/migrations/9000_tried.py").write_text(MIGRATION.format(latest=latest))
    (folder / "1.2.0/campsite/asgi.py").write_text("raise RuntimeError('of no use')\n")
    return Engine(site, {path.name: path for path in folder.iterdir()} | {"latest": ROOT})


@pytest.fixture(scope="module")
def fleet(site: Site) -> Iterator[Fleet]:
    """Fifty meters of a Zigbee2MQTT that comes as its own user, each reading with a number."""
    site.manage("web", "shell", "--verbosity", "0", "-c", AREAS)
    password = site.secrets()["mqtt_zigbee2mqtt_syd"].strip()
    made = Fleet(f"mqtt://zigbee2mqtt_syd:{password}@127.0.0.1:{site.ports['1883']}", BASE)
    made.appear()
    until(lambda: counted(site, "meter") == made.meters, "the meters to be known", every_s=PROBE_S)
    made.run(PER_SECOND)
    yield made
    made.rest()
    made.talker.stop()


def all_are_stored(site: Site, fleet: Fleet) -> bool:
    """What it has said until now."""
    fleet.rest()
    until(lambda: counted(site, "reading") == fleet.total, f"all {fleet.total} readings to be stored", every_s=PROBE_S)
    fleet.run(PER_SECOND)
    return fleet.total > 100


def counted(site: Site, what: str) -> int:
    """Of this area, in whatever version's database."""
    joined = {"meter": "", "reading": "JOIN meters_reading r ON r.meter_id = m.id"}[what]
    return int(
        asked(
            site,
            f"SELECT count(*) FROM meters_meter m {joined} JOIN meters_device d ON d.id = m.device_id "
            f"JOIN meters_area a ON a.id = d.area_id WHERE a.base_topic = '{BASE}'",
        )
    )


def asked(site: Site, query: str) -> str:
    done = site.execute("postgres", "psql", site.secrets()["database_url"].strip(), "-Atc", query)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def running(site: Site) -> tuple[str, str]:
    """The version, and the one before."""
    return site.env.get("CAMPSITE_VERSION", ""), site.env.get("CAMPSITE_FORMER", "")


def hurry(site: Site) -> None:
    """What the first time took as long as it does takes less from now on."""
    script = site.deploy / "upgrade"
    told = script.read_text().replace("PATIENCE_S=150", "PATIENCE_S=60").replace("WELL_S=25", "WELL_S=5")
    script.write_text(told)


@pytest.mark.timeout(1200)  # three exchanges, each with half a minute of looking
def test_a_version_comes_one_of_no_use_is_left_and_there_is_a_way_back_and_nothing_is_lost(
    site: Site, engine: Engine, fleet: Fleet
) -> None:
    done = engine.upgrade("1.1.0")
    assert done.returncode == 0, done.stdout
    assert re.search(r"1\.1\.0 is well, \d+ s after the swap began", done.stdout)
    assert (running(site), site.app.name) == (("1.1.0", "latest"), "1.1.0")
    assert asked(site, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'tried'") == "1"
    assert all_are_stored(site, fleet)

    hurry(site)
    done = engine.upgrade("1.2.0")
    assert done.returncode == 1
    assert "of no use" in done.stdout
    assert "1.1.0 runs again, and is well" in done.stdout
    assert (running(site), site.app.name) == (("1.1.0", "latest"), "1.1.0")
    assert all_are_stored(site, fleet)

    engine.told.clear()
    done = engine.upgrade("--back")
    assert done.returncode == 0, done.stdout
    assert running(site) == ("latest", "1.1.0")
    assert not [told for told in engine.told if "migrate" in told or "backup" in told]
    assert all_are_stored(site, fleet)


@pytest.mark.parametrize(
    ("word", "said"), [("latest", "is what runs"), ("a b", "no version"), ("--help", "no version")]
)
def test_what_is_no_version_changes_nothing(site: Site, engine: Engine, word: str, said: str) -> None:
    engine.told.clear()
    done = engine.upgrade(word)
    assert (done.returncode, engine.told) == (1, [])
    assert said in done.stdout
