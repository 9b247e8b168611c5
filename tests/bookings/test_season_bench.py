"""The bench that replays a season finds the ledger right, and would find it wrong if it were."""

import pytest
from django.db.models import F

from bench import season
from bookings.models import StayMeter
from meters.models import Snapshot


@pytest.mark.django_db
def test_a_small_season_adds_up_and_a_slip_of_a_watt_hour_is_found() -> None:
    year = season.Year(0.0005, seed=3)
    year.run()
    wrong, looked_at = season.check()
    assert wrong == []
    assert looked_at["lines"] > 10
    line = StayMeter.objects.filter(end__isnull=False).latest("pk")
    Snapshot.objects.filter(pk=line.end_id).update(energy_kwh=F("energy_kwh") + "0.001")
    wrong, _ = season.check()
    assert wrong
