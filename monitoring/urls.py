"""Addresses for machines that watch us. Health needs no log-in and tells no names; /metrics needs its token."""

from django.urls import path

from monitoring import health
from monitoring.metrics import page as metrics

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics.page, name="metrics"),
]
