"""Staff's first page in a real browser: it follows what happens, and says when it cannot."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import Schedule
from playwright.sync_api import Page, expect

from monitoring import incidents
from monitoring.findings import Finding, Severity
from tests import make
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, page, server = boards.browser, boards.page, boards.server  # fixtures
REDIS = Finding("redis_away", Severity.WARNING, facts={"error": "ConnectionError"})


@pytest.fixture
def person(transactional_db: None) -> User:
    return make.superuser()


def come_back(page: Page) -> None:
    """As somebody who looks at it again after a while."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_it_tells_what_happens_while_it_is_open_and_greys_when_the_server_is_gone(page: Page) -> None:
    soon = timezone.now() + timedelta(minutes=2)
    make.worker(heartbeat_at=soon)  # it lives, however slow this machine is
    Schedule.objects.update(next_run=soon)  # of a database that was made when the tests began, all were late
    page.goto("/admin/")
    trouble = page.locator(".troubles")
    expect(trouble).to_have_count(0)
    for ago in (1, 0):
        incidents.take([REDIS], timezone.now() - timedelta(minutes=ago))
    come_back(page)
    expect(trouble).to_contain_text("Redis")
    page.route("**/admin/", lambda route: route.abort())
    come_back(page)
    expect(page.locator("#lost")).to_be_visible()
    assert page.locator(".glance").evaluate("each => getComputedStyle(each).opacity") == "0.5"
    page.unroute("**/admin/")
    come_back(page)
    expect(page.locator("#lost")).to_be_hidden()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_it_is_read_on_any_screen(page: Page, width: int, scheme: str) -> None:
    make.worker()
    area, now = make.area("North", in_service=True), timezone.now()
    make.state(make.meter(area=area), power_w=900, power_at=now, voltage_at=now, counter_at=now)
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/admin/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page, context=".glance", options={"resultTypes": ["violations"]})
    assert not found.violations_count, found.generate_report()
