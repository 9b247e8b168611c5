"""Addresses for machines that watch us. Health needs no log-in and tells no names."""

from django.urls import path

from monitoring import health

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]
