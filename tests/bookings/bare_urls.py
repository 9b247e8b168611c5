"""The site's addresses and, to compare with, a page that is nothing but a heading."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from campsite import urls

BARE = "<!doctype html><html lang=en><meta name=viewport content=width=device-width><title>Bare</title><h1>101</h1>"


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse(BARE)


urlpatterns = [*urls.urlpatterns, path("bare/", bare)]
handler500 = urls.handler500
