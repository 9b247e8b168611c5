"""The channel plan in a real browser: read on a telephone, in the sun and in the dark, and by a screen reader."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests import make
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, page, server = boards.browser, boards.page, boards.server  # fixtures

OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll(".spectrum text")].map((each) => each.getBoundingClientRect());
  const svg = document.querySelector(".spectrum").getBoundingClientRect();
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
  const outside = boxes.filter((box) => box.left < svg.left || box.right > svg.right);
  return outside.length + boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b))).length;
}"""


@pytest.fixture
def person(transactional_db: None) -> User:
    return make.superuser()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_it_is_read_on_any_screen(page: Page, width: int, scheme: str) -> None:
    make.area("North", wifi_channels=[1, 6, 11], expected_channel=13, reported={"channel": 11})
    make.area("South", wifi_channels=[1, 2, 3], expected_channel=26, reported={"channel": 25})
    make.area("East", reported={"channel": 12})
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/admin/channel-plan/")
    page.locator(".channels summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(OVERLAPS) == 0
    found = Axe().run(page, context=".channels", options={"resultTypes": ["violations"]})
    assert not found.violations_count, found.generate_report()
