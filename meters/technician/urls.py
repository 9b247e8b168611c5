"""Which address leads to which of the technician's pages, below /technician/."""

from django.urls import path

from meters.technician import device_pages, exchange_pages, pages

urlpatterns = [
    path("", pages.start, name="technician"),
    path("find/", pages.search, name="technician_find"),
    path("labels/", pages.print_labels, name="technician_labels"),
    path("exchange/", exchange_pages.page, name="technician_exchange"),
    path("exchange/ask/", exchange_pages.ask, name="technician_exchange_ask"),
    path("areas/<slug:slug>/", pages.area, name="technician_area"),
    path("areas/<slug:slug>/open/", pages.open_area, name="technician_open"),
    path("areas/<slug:slug>/close/", pages.close_area, name="technician_close"),
    path("devices/<str:ieee>/", device_pages.device, name="technician_device"),
    path("devices/<str:ieee>/<str:verb>/", device_pages.act, name="technician_act"),
]
