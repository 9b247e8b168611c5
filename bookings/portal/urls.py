"""The addresses of the guest's pages. All but the first lie below one path: there alone the cookie goes."""

from django.urls import path

from bookings.portal import app, door, find, page, report
from bookings.portal.receipt import pages as receipt

urlpatterns = [
    path("p/<str:token>/", door.enter, name="portal"),
    path("p/<str:token>", door.enter),  # a redirect would say the secret once more
    path("stay/", page.page, name="portal-page"),
    path("stay/outlet/", page.choose_outlet, name="portal-outlet"),
    path("stay/switch/", page.switch, name="portal-switch"),
    path("stay/report/", report.page, name="portal-report"),
    path("stay/receipt/", receipt.page, name="portal-receipt"),
    path("stay/receipt.pdf", receipt.file, name="portal-receipt-pdf"),
    path("stay/find/", find.page, name="portal-find"),
    path("stay/choose/", find.choose, name="portal-choose"),
    path("stay/language/", door.language, name="portal-language"),
    path("stay/app.webmanifest", app.manifest, name="portal-manifest"),
    path("stay/worker.js", app.worker, name="portal-worker"),
    path("stay/leave/", door.leave, name="portal-leave"),
]
