"""What is wanted: priorities, fallback, leases, who may, the audit log."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from meters import commands
from meters.models import Command, Meter, Order, Pitch, Source, Want
from tests import make

pytestmark = pytest.mark.django_db

STAFF, GUEST, CLEANING, POLICY = Source.STAFF, Source.GUEST, Source.CLEANING, Source.POLICY
LADDER = [STAFF, GUEST, CLEANING, POLICY]


def soon(minutes: float = 5) -> timezone.datetime:
    return timezone.now() + timedelta(minutes=minutes)


def ruling(meter: Meter) -> Want | None:
    return commands.in_force([meter.pk], timezone.now()).get(meter.pk)


def entries(meter: Meter) -> list[LogEntry]:
    found = LogEntry.objects.filter(content_type__model="meter", object_id=meter.pk, changes__has_key="wanted")
    return list(found.order_by("pk"))


def notes(meter: Meter) -> list[list[str]]:
    """[old, new] of what was wanted, entry by entry."""
    return [entry.changes["wanted"] for entry in entries(meter)]


def open_commands(meter: Meter) -> list[tuple[bool, str]]:
    return list(Command.objects.filter(meter=meter, finished_at=None).values_list("state", "status"))


# --- who stands above whom -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lower", "higher"), [(LADDER[i + 1], LADDER[i]) for i in range(3)])
def test_the_higher_source_decides_whoever_came_first(lower: str, higher: str) -> None:
    meter = make.switchable()
    commands.want(meter, lower, False, until=soon())
    commands.want(meter, higher, True, until=soon())
    assert ruling(meter).source == higher
    commands.want(meter, lower, False, until=soon(10))
    assert ruling(meter).source == higher


@pytest.mark.parametrize("i", [0, 1, 2])
def test_when_a_source_ends_the_next_one_comes_into_force(i: int) -> None:
    meter = make.switchable()
    for number, source in enumerate(LADDER):
        commands.want(meter, source, number % 2 == 0, until=soon())
    for source in LADDER[: i + 1]:
        commands.end(meter, source)
    assert ruling(meter).source == LADDER[i + 1]


def test_where_the_last_source_ends_the_meter_is_not_managed() -> None:
    meter = make.switchable()
    commands.want(meter, STAFF, True)
    assert commands.end(meter, STAFF).end == ""  # the row as it was
    assert ruling(meter) is None
    assert notes(meter) == [["None", "on"], ["on", "None"]]
    assert commands.end(meter, STAFF) is None


def test_what_comes_into_force_by_fallback_is_to_be_done_although_it_was_done_once() -> None:
    meter = make.switchable(relay=True)
    policy = commands.want(meter, POLICY, True, until=soon())
    Want.objects.filter(pk=policy.pk).update(fulfilled_at=timezone.now() - timedelta(hours=1))
    commands.want(meter, STAFF, False)
    commands.end(meter, STAFF)
    policy.refresh_from_db()
    assert policy.fulfilled_at is None
    assert policy.since > policy.created_at


def test_a_want_whose_time_ran_out_falls_back() -> None:
    meter = make.switchable()
    policy = commands.want(meter, POLICY, True, until=soon(60))
    staff = commands.want(meter, STAFF, False, until=soon(5))
    commands.end_expired(soon(4))
    assert ruling(meter) == staff
    assert commands.end_expired(soon(6)) == {meter.pk}
    assert ruling(meter) == policy
    staff.refresh_from_db()
    assert (staff.end, staff.hold) == ("expired", "")


def test_ending_what_ran_out_of_time_twice_changes_nothing_more() -> None:
    meter = make.switchable()
    commands.want(meter, STAFF, True, until=soon(5))
    at = soon(6)
    assert commands.end_expired(at) == {meter.pk}
    before = list(Want.objects.values())
    assert commands.end_expired(at + timedelta(minutes=1)) == set()
    assert list(Want.objects.values()) == before
    assert len(entries(meter)) == 2


def test_a_lower_lease_that_runs_out_leaves_what_staff_decided_as_it_is() -> None:
    """Else an ON of yesterday would count as decided just now, and be sent."""
    meter = make.switchable(relay=False)
    commands.want(meter, POLICY, False, until=soon(5))
    long_ago = timezone.now() - timedelta(hours=3)
    staff = make.want(meter, True, STAFF, since=long_ago, created_at=long_ago, fulfilled_at=long_ago)
    Want.objects.filter(pk=staff.pk).update(hold="unasked_off", hold_at=long_ago)
    commands.end_expired(soon(6))
    staff.refresh_from_db()
    assert (staff.since, staff.fulfilled_at, staff.hold) == (long_ago, long_ago, "unasked_off")


def test_a_lower_lease_that_runs_out_is_noted_as_no_change_of_what_is_wanted() -> None:
    meter = make.switchable(relay=False)
    commands.want(meter, STAFF, True)
    commands.want(meter, POLICY, False, until=soon(5))
    commands.end_expired(soon(6))
    assert notes(meter)[-1] == ["on", "on"]


def test_two_wants_that_run_out_at_once_leave_the_third() -> None:
    meter = make.switchable()
    policy = commands.want(meter, POLICY, False, until=soon(60))
    commands.want(meter, CLEANING, True, until=soon(5))
    commands.want(meter, STAFF, True, until=soon(5))
    commands.end_expired(soon(6))
    assert ruling(meter) == policy
    assert notes(meter)[-2:] == [["on", "off"], ["on", "off"]]


# --- cancel ----------------------------------------------------------------------------------------------------------


def test_cancelling_a_click_puts_into_force_again_what_it_replaced_as_it_was() -> None:
    meter = make.switchable(relay=False)
    long_ago = timezone.now() - timedelta(hours=2)
    before = make.want(meter, False, STAFF, since=long_ago, fulfilled_at=long_ago, reason="frost")
    click = commands.want(meter, STAFF, True)
    assert commands.cancel(click.commands.values_list("pk", flat=True), None) == 1
    before.refresh_from_db()
    click.refresh_from_db()
    assert ruling(meter) == before
    assert (before.end, before.since, before.fulfilled_at) == ("", long_ago, long_ago)
    assert click.end == "cancelled"
    assert open_commands(meter) == []


def test_cancelling_a_click_leaves_what_stood_below_it_as_it_was() -> None:
    """The click switched nothing: what was done before is still done."""
    meter = make.switchable(relay=False)
    long_ago = timezone.now() - timedelta(hours=2)
    policy = make.want(meter, True, POLICY, since=long_ago, fulfilled_at=long_ago, until=soon())
    click = commands.want(meter, STAFF, False)
    commands.cancel(click.commands.values_list("pk", flat=True), None)
    policy.refresh_from_db()
    assert ruling(meter) == policy
    assert policy.fulfilled_at == long_ago


def test_cancelling_does_not_bring_back_what_has_run_out_meanwhile() -> None:
    meter = make.switchable()
    before = make.want(meter, False, STAFF, until=soon())
    click = commands.want(meter, STAFF, True)
    Want.objects.filter(pk=before.pk).update(until=timezone.now() - timedelta(seconds=1))
    commands.cancel(click.commands.values_list("pk", flat=True), None)
    assert ruling(meter) is None


def test_what_is_under_way_cannot_be_cancelled() -> None:
    meter = make.switchable()
    click = commands.want(meter, STAFF, True)
    Command.objects.update(claimed_at=timezone.now())
    assert commands.cancel(click.commands.values_list("pk", flat=True), None) == 0
    assert ruling(meter) == click


def test_cancelling_twice_is_no_error() -> None:
    click = commands.want(make.switchable(), STAFF, True)
    ids = list(click.commands.values_list("pk", flat=True))
    assert [commands.cancel(ids, None), commands.cancel(ids, None)] == [1, 0]


# --- leases ----------------------------------------------------------------------------------------------------------


def test_a_machine_that_repeats_its_want_renews_the_lease_without_a_note() -> None:
    meter = make.switchable()
    first = commands.want(meter, POLICY, True, until=soon(5))
    until = soon(10)
    assert commands.want(meter, POLICY, True, until=until).pk == first.pk
    first.refresh_from_db()
    assert first.until == until
    assert len(entries(meter)) == 1
    assert Want.objects.count() == 1


def test_many_leases_are_renewed_in_one_update() -> None:
    meters = [make.switchable() for _ in range(3)]
    for meter in meters:
        commands.want(meter, POLICY, True, until=soon(5))
    commands.want(meters[0], CLEANING, True, until=soon(5))
    until = soon(10)
    assert commands.renew(POLICY, [meter.pk for meter in meters], until) == 3
    assert set(Want.objects.filter(source=POLICY).values_list("until", flat=True)) == {until}
    assert Want.objects.get(source=CLEANING).until < until
    assert commands.end_expired(soon(6)) == {meters[0].pk}


def test_a_lease_that_nobody_renews_ends_alone() -> None:
    meter = make.switchable()
    commands.want(meter, POLICY, True, until=soon(5))
    commands.end_expired(soon(6))
    assert ruling(meter) is None


def test_an_ended_want_is_not_renewed() -> None:
    meter = make.switchable()
    commands.want(meter, POLICY, True, until=soon(5))
    commands.end(meter, POLICY)
    assert commands.renew(POLICY, [meter.pk], soon(10)) == 0


def test_a_person_who_repeats_a_want_makes_a_new_one() -> None:
    meter = make.switchable()
    first, second = commands.want(meter, STAFF, True), commands.want(meter, STAFF, True)
    first.refresh_from_db()
    assert (first.end, second.replaces) == ("replaced", first)
    assert Command.objects.filter(meter=meter, finished_at=None).get().want == second


def test_a_machines_want_without_an_end_is_refused() -> None:
    """What machines want are leases: when nobody decides any more, nothing is enforced any more."""
    meter = make.switchable()
    with pytest.raises(commands.BadTime):
        commands.want(meter, POLICY, True)


# --- who may ---------------------------------------------------------------------------------------------------------


def pitched(policy: str = "automatic", **values: object) -> Meter:
    meter = make.switchable(relay=True)
    make.installed(meter, make.pitch(policy=policy, **values))
    return meter


@pytest.mark.parametrize("source", [CLEANING, POLICY])
def test_no_machine_cuts_a_pitch_that_is_never_cut(source: str) -> None:
    meter = pitched(Pitch.Policy.NEVER_CUT)
    with pytest.raises(commands.Protected):
        commands.want(meter, source, False, until=soon())
    assert commands.want(meter, source, True, until=soon()).state


@pytest.mark.parametrize("source", [CLEANING, POLICY])
@pytest.mark.parametrize("state", [True, False])
def test_no_machine_touches_a_pitch_that_is_switched_by_hand(source: str, state: bool) -> None:
    with pytest.raises(commands.Protected):
        commands.want(pitched(Pitch.Policy.MANUAL), source, state, until=soon())


@pytest.mark.parametrize("policy", [Pitch.Policy.NEVER_CUT, Pitch.Policy.MANUAL])
def test_staff_need_a_reason_to_cut_a_protected_pitch(policy: str) -> None:
    meter = pitched(policy)
    with pytest.raises(commands.NeedsReason):
        commands.want(meter, STAFF, False, reason="  ")
    assert not Want.objects.exists()
    assert commands.want(meter, STAFF, False, reason="leak").reason == "leak"
    assert commands.want(meter, STAFF, True).state


def test_staff_need_a_reason_to_cut_an_occupied_pitch_and_not_when_the_guest_has_left() -> None:
    occupied = pitched(occupied_until=soon(60))
    with pytest.raises(commands.NeedsReason):
        commands.order([occupied], False)
    commands.want(pitched(occupied_until=soon(-1)), STAFF, False)


def test_one_dependent_pitch_of_many_needs_the_reason_for_all_and_nothing_is_half_done() -> None:
    meters = [make.switchable(), pitched(occupied_until=soon(60))]
    with pytest.raises(commands.NeedsReason):
        commands.order(meters, False)
    assert [model.objects.count() for model in (Want, Command, Order)] == [0, 0, 0]
    commands.order(meters, False, reason="storm")
    assert Command.objects.count() == 2


def test_a_pitch_where_the_meter_hung_before_counts_no_more() -> None:
    meter = make.switchable()
    pitch = make.pitch(policy=Pitch.Policy.NEVER_CUT)
    make.installed(meter, pitch, soon(-60), soon(-1))
    commands.want(meter, POLICY, False, until=soon())


def test_a_meter_without_a_relay_and_a_removed_one_are_refused() -> None:
    with pytest.raises(commands.NoRelay):
        commands.want(make.switchable(has_relay=False), STAFF, True)
    with pytest.raises(commands.Gone):
        commands.want(make.switchable(removed_at=timezone.now()), STAFF, True)


def test_an_end_in_the_past_is_refused() -> None:
    with pytest.raises(commands.BadTime):
        commands.want(make.switchable(), STAFF, True, until=soon(-1))


def test_an_order_leaves_out_what_cannot_be_switched_and_refuses_where_nothing_is_left() -> None:
    good, bad = make.switchable(), make.switchable(has_relay=False)
    order = commands.order([good, bad], True)
    assert [c.meter for c in order.commands.all()] == [good]
    with pytest.raises(commands.NoRelay):
        commands.order([bad], True)
    with pytest.raises(commands.NothingToSwitch):
        commands.order([bad, make.switchable(has_relay=False)], True)
    with pytest.raises(commands.NothingToSwitch):
        commands.order([], True)


# --- the audit log ---------------------------------------------------------------------------------------------------


def test_each_want_is_noted_with_person_reason_old_and_new() -> None:
    meter, chief = make.switchable("101,2"), make.superuser()
    until = soon(30)
    commands.want(meter, STAFF, True, by=chief)
    commands.want(meter, STAFF, False, " leak ", chief, until)
    entry = entries(meter)[-1]
    assert entry.actor == chief
    assert entry.object_repr == "101,2"
    assert entry.changes == {
        "wanted": ["on", "off"],
        "source": ["", "staff"],
        "reason": ["", "leak"],
        "until": ["", until.isoformat()],
    }


def test_what_changes_nothing_in_force_is_noted_too() -> None:
    meter = make.switchable()
    commands.want(meter, STAFF, True)
    commands.want(meter, POLICY, False, until=soon())
    assert notes(meter)[-1] == ["on", "on"]
    assert entries(meter)[-1].changes["source"] == ["", "policy"]


def test_an_expiry_is_noted_with_old_new_and_the_reason_of_what_ended() -> None:
    meter = make.switchable()
    commands.want(meter, POLICY, False, until=soon(60))
    commands.want(meter, STAFF, True, "evening", until=soon(5))
    commands.end_expired(soon(6))
    entry = entries(meter)[-1]
    assert (entry.actor, entry.changes["wanted"], entry.changes["reason"]) == (None, ["on", "off"], ["", "evening"])


def test_a_cancel_is_noted_with_the_person_who_cancelled() -> None:
    meter, chief = make.switchable(), make.superuser()
    order = commands.order([meter], True)
    commands.cancel(order.commands.values_list("pk", flat=True), chief)
    assert (entries(meter)[-1].actor, notes(meter)[-1]) == (chief, ["on", "None"])


def test_an_order_makes_one_entry_a_meter() -> None:
    meters = [make.switchable() for _ in range(3)]
    commands.order(meters, True, by=make.staff())
    assert [notes(meter) for meter in meters] == [[["None", "on"]]] * 3


# --- orders with a key -----------------------------------------------------------------------------------------------


def test_the_same_key_leads_to_the_same_order() -> None:
    meter, person = make.switchable(), make.staff()
    first = commands.order([meter], True, by=person, key="k")
    assert commands.order([meter], True, by=person, key="k") == first
    assert Command.objects.count() == 1
    assert commands.order([meter], True, by=make.staff("other"), key="k") != first


def test_the_same_key_for_something_else_is_refused() -> None:
    meter, person = make.switchable(), make.staff()
    commands.order([meter], True, by=person, key="k")
    for meters, state in [([meter], False), ([make.switchable()], True), ([meter, make.switchable()], True)]:
        with pytest.raises(commands.KeyUsed):
            commands.order(meters, state, by=person, key="k")


def test_a_key_means_the_same_order_also_when_a_later_click_has_taken_over_its_command() -> None:
    meter, other, person = make.switchable(), make.switchable(), make.staff()
    first = commands.order([meter], True, by=person, key="k")
    Command.objects.update(claimed_at=timezone.now())
    commands.order([meter], True)
    assert commands.order([meter], True, by=person, key="k") == first
    with pytest.raises(commands.KeyUsed):
        commands.order([other], True, by=person, key="k")


# --- what becomes of commands ----------------------------------------------------------------------------------------


def test_a_persons_want_that_is_not_in_force_sends_nothing() -> None:
    meter = make.switchable()
    commands.want(meter, STAFF, False)
    before = open_commands(meter)
    commands.want(meter, GUEST, True)
    assert open_commands(meter) == before


def test_a_newer_want_overtakes_a_waiting_command() -> None:
    meter = make.switchable()
    first = commands.want(meter, STAFF, True).commands.get()
    commands.want(meter, STAFF, False)
    first.refresh_from_db()
    assert first.status == "superseded"
    assert open_commands(meter) == [(False, "queued")]


def test_a_machines_want_that_rules_overtakes_a_machines_waiting_command() -> None:
    meter = make.switchable()
    policy = commands.want(meter, POLICY, True, until=soon())
    make.command(policy, automatic=True)
    commands.want(meter, CLEANING, False, until=soon())
    assert open_commands(meter) == []


def test_the_same_state_under_way_serves_the_new_want() -> None:
    meter = make.switchable()
    first = commands.order([meter], True).commands.get()
    Command.objects.update(claimed_at=timezone.now(), status="sent")
    second = commands.order([meter], True)
    first.refresh_from_db()
    assert first.order == second
    assert Command.objects.count() == 1
    assert first.want == ruling(meter)


def test_the_same_state_under_way_serves_a_machines_new_want_too() -> None:
    """Else the same is sent twice within seconds."""
    meter = make.switchable()
    guest = commands.want(meter, GUEST, True)
    Command.objects.update(claimed_at=timezone.now(), status="sent")
    commands.end(meter, GUEST)
    commands.want(meter, POLICY, True, until=soon())
    assert open_commands(meter) == [(True, "sent")]
    commands.correct(timezone.now(), timezone.now())
    assert Command.objects.filter(meter=meter).count() == 1
    assert (guest.commands.count(), ruling(meter).commands.count()) == (0, 1)


def test_what_serves_a_new_want_has_the_new_wants_time() -> None:
    """A click late in an old command's life is not given up with the old one's deadline."""
    meter = make.switchable()
    first = commands.want(meter, STAFF, True).commands.get()
    almost = timezone.now() + timedelta(seconds=20)
    Command.objects.update(claimed_at=timezone.now(), status="sent", attempts=3, expires_at=almost)
    commands.want(meter, STAFF, True)
    first.refresh_from_db()
    assert first.expires_at > almost
    assert first.attempts == 1


def test_what_serves_a_new_want_ends_with_it() -> None:
    meter = make.switchable()
    first = commands.want(meter, STAFF, True).commands.get()
    Command.objects.update(claimed_at=timezone.now(), status="sent")
    until = soon(2)
    commands.want(meter, STAFF, True, until=until)
    first.refresh_from_db()
    assert first.expires_at <= until


def test_a_want_that_ends_cancels_its_waiting_command_and_follows_the_one_under_way() -> None:
    waiting, under_way = make.switchable(), make.switchable()
    commands.want(waiting, STAFF, True)
    commands.want(under_way, STAFF, True)
    Command.objects.filter(meter=under_way).update(claimed_at=timezone.now(), status="sent")
    commands.end(waiting, STAFF)
    commands.end(under_way, STAFF)
    assert open_commands(waiting) == []
    assert open_commands(under_way) == [(True, "sent")]
