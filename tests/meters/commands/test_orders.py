"""What an order would do, and how far it has come."""

from datetime import timedelta

import pytest
from django.utils import timezone

from meters import commands, online
from meters.models import Command, Meter, Order
from tests import make

pytestmark = pytest.mark.django_db


def preview(meters: list[Meter], state: bool = True) -> commands.orders.Preview:
    ids = [meter.pk for meter in meters]
    return commands.orders.preview(online.meters().filter(pk__in=ids).order_by("pk"), state, timezone.now())


def progress(order: Order) -> dict[str, int]:
    """The counts that are not 0."""
    told = commands.orders.progress(order, timezone.now())
    assert sum(told.counts.values()) == told.total
    return {name: count for name, count in told.counts.items() if count}


def offline() -> Meter:
    return make.switchable(available=False)


def test_eighty_meters_of_an_area_take_twenty_seconds() -> None:
    area = make.acting()
    assert preview([make.switchable(area=area) for _ in range(80)]).seconds == 20


def test_areas_work_side_by_side_each_at_its_own_pace() -> None:
    slow, quick = make.acting(commands_per_s=0.5), make.acting(commands_per_s=4)
    meters = [make.switchable(area=slow) for _ in range(3)] + [make.switchable(area=quick) for _ in range(8)]
    assert preview(meters).seconds == 6


def test_who_is_offline_is_told_and_takes_no_time() -> None:
    meters = [offline(), offline(), make.switchable()]
    told = preview(meters)
    assert (told.meters, told.seconds, told.offline) == (3, 1, meters[:2])
    assert preview([offline()]).seconds == 0


def test_who_is_so_already_is_counted() -> None:
    meters = [make.switchable(relay=True), make.switchable(relay=False), make.switchable(relay=None), make.meter()]
    assert (preview(meters, True).already, preview(meters, False).already) == (1, 1)


def test_who_cannot_be_switched_is_skipped_with_the_reason() -> None:
    bare, gone, good = (
        make.switchable(has_relay=False),
        make.switchable(removed_at=timezone.now()),
        make.switchable(),
    )
    told = preview([bare, gone, good])
    assert (told.meters, told.skipped) == (1, [(bare, commands.NoRelay), (gone, commands.Gone)])


def test_only_an_off_of_who_depends_on_it_needs_a_reason() -> None:
    free, occupied = make.switchable(), make.switchable()
    make.installed(occupied, make.pitch(occupied_until=timezone.now() + timedelta(hours=1)))
    off, on = preview([free, occupied], False), preview([free, occupied], True)
    assert (off.depending, off.needs_reason, on.needs_reason) == ([occupied], True, False)
    assert not preview([free], False).needs_reason


def test_progress_counts_each_meter_once() -> None:
    meters = [make.switchable() for _ in range(9)] + [offline()]
    order = commands.order(meters, True)
    ids = list(order.commands.order_by("pk").values_list("pk", flat=True))
    assert progress(order) == {"waiting": 9, "offline": 1}
    statuses = ["sent", "acknowledged", "confirmed", "failed", "expired", "cancelled", "superseded"]
    for pk, status in zip(ids, statuses, strict=False):
        Command.objects.filter(pk=pk).update(status=status)
    Command.objects.filter(pk=ids[7]).update(claimed_at=timezone.now())
    expected = {"confirmed": 1, "failed": 2, "cancelled": 2, "under_way": 3, "waiting": 1, "offline": 1}
    assert progress(order) == expected


def test_an_order_whose_command_serves_a_newer_click_is_not_the_smaller_for_it() -> None:
    meters = [make.switchable() for _ in range(3)]
    first = commands.order(meters, True)
    Command.objects.filter(meter=meters[0]).update(claimed_at=timezone.now(), status="sent")
    commands.order(meters[:1], True)
    assert commands.orders.progress(first, timezone.now()).total == 3


def test_recent_orders_are_those_that_move_or_moved_a_moment_ago() -> None:
    now = timezone.now()
    moving, just, long_ago = (commands.order([make.switchable()], True) for _ in range(3))
    for order, minutes in ((just, 1), (long_ago, 3)):
        order.commands.update(status="confirmed", finished_at=now - timedelta(minutes=minutes))
    assert [told.pk for told in commands.orders.recent(now)] == [just.pk, moving.pk]


def test_an_order_is_told_with_its_person() -> None:
    order = commands.order([make.switchable()], False, by=make.staff("mette"))
    told = commands.orders.progress(order, timezone.now())
    assert (told.by, told.state) == ("mette", False)
