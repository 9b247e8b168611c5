"""Which address leads where."""

from channels.routing import URLRouter
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
websocket_urlpatterns: list[URLRouter] = []
