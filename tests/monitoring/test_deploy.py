"""What lies in deploy/monitoring fits what the product tells: each figure that is asked for exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from meters.models import AreaHealth, AreaState
from monitoring import metrics
from tests import make

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy" / "monitoring"
RULES = [rule for group in yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "campsite.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

LEGEND = {"showLegend", "displayMode", "placement", "calcs"}
OPTIONS = {
    "stat": {"reduceOptions", "colorMode", "graphMode", "justifyMode", "textMode", "wideLayout", "orientation"},
    "timeseries": {"legend", "tooltip"},
    "state-timeline": {"showValue", "mergeValues", "rowHeight", "legend", "tooltip"},
    "table": {"showHeader", "frameIndex"},
}
"""What Grafana's published schema has in each panel (npm @grafana/schema, 10.4 to 13.2: *PanelCfg_types.gen.d.ts)."""


def asked() -> Iterator[str]:
    """Every query of the rules and of the dashboard, its variables filled in as Grafana does."""
    yield from (rule["expr"] for rule in RULES)
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "2m").replace("$area", ".*")
    variable = DASHBOARD["templating"]["list"][1]["definition"]
    yield re.sub(r"label_values\((\w+), \w+\)", r"\1", variable)


@pytest.mark.django_db
def test_each_figure_that_rules_and_dashboard_ask_for_is_told() -> None:
    make.worker()
    page = metrics.told(timezone.now()).decode()
    told = dict(re.findall(r"^# TYPE (\S+) (\w+)$", page, re.MULTILINE))
    names = {
        f"{name}_{end}" for name, kind in told.items() if kind == "histogram" for end in ("bucket", "sum", "count")
    }
    names |= set(told)
    for query in asked():
        found = set(re.findall(r"\b(?:campsite|process)_\w+", query))
        assert found <= names, query
        assert found or "up{" in query, query


@pytest.mark.django_db
def test_each_filter_of_rules_and_dashboard_lets_something_through() -> None:
    """A label's value that nobody ever tells makes an empty panel, or a rule that never fires."""
    make.worker()
    area, now = make.area("North", in_service=True), timezone.now()
    make.state(make.meter(area=area), power_w=100, power_at=now, voltage_at=now)
    make.meter(area=area)
    AreaHealth.objects.create(area=area, generated_at=now, uptime_s=1, mqtt_queued=0, mqtt_published=1)
    AreaState.objects.update(version="2.14.1", channel=11, permit_join=False)
    told = [
        sample
        for family in text_string_to_metric_families(metrics.told(timezone.now()).decode())
        for sample in family.samples
    ]
    for query in asked():
        for name, filters in re.findall(r"\b(campsite_\w+)\{([^}]+)\}", query):
            wanted = re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', filters)
            assert any(sample.name == name and passes(sample.labels, wanted) for sample in told), query


def passes(labels: dict[str, str], wanted: list[tuple[str, str, str]]) -> bool:
    """As Prometheus decides it."""
    passing = {"=": str.__eq__, "!=": str.__ne__, "=~": lambda label, text: bool(re.fullmatch(text, label))}
    return all(passing[how](labels.get(label, ""), text) for label, how, text in wanted)


def test_every_rule_says_how_bad_it_is_and_leads_to_a_paragraph_that_exists() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)}
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        page, _, heading = rule["annotations"].get("runbook", "").partition("#")
        assert not page or (page == "docs/runbook.md" and heading in headings), rule["alert"]


def test_the_dashboard_can_be_imported_anywhere_and_nothing_of_it_overlaps() -> None:
    datasource = {"type": "prometheus", "uid": "${datasource}"}
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    for panel in PANELS:
        assert all(each["datasource"] == datasource for each in (panel, *panel["targets"])), panel["title"]
        assert set(panel["options"]) >= OPTIONS[panel["type"]], panel["title"]
        legend = panel["options"].get("legend", LEGEND)
        assert set(legend) >= set(LEGEND), panel["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_prometheus_and_grafana_are_pointed_at_what_lies_here() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    assert (job["job_name"], job["authorization"]) == ("campsite", {"credentials_file": "token"})
    assert all((DEPLOY / name).exists() for name in prometheus["rule_files"])
    for path in (DEPLOY / "grafana" / "provisioning").rglob("*.yml"):
        assert yaml.safe_load(path.read_text())["apiVersion"] == 1


# --- with Prometheus's own tool, where it is installed ---------------------------------------------------------------


def checked(*words: str, told: bytes = b"", cwd: Path = DEPLOY) -> None:
    done = subprocess.run(["promtool", *words], input=told, capture_output=True, cwd=cwd, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.promtool
@pytest.mark.django_db
def test_promtool_has_nothing_to_say_of_what_is_told() -> None:
    checked("check", "metrics", told=metrics.told(timezone.now()))


@pytest.mark.promtool
def test_promtool_reads_the_configuration(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "rules.yml"):
        shutil.copy(DEPLOY / name, tmp_path)
    (tmp_path / "token").write_text("of-the-settings")
    checked("check", "config", "prometheus.yml", cwd=tmp_path)


@pytest.mark.promtool
def test_the_rules_tell_what_they_should_and_nothing_else() -> None:
    checked("test", "rules", str(Path(__file__).parent / "rules.test.yml"))


@pytest.mark.promtool
def test_each_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(asked())]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked("check", "rules", "--lint=none", "queries.yml", cwd=tmp_path)
