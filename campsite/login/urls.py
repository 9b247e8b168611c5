"""Addresses of the steps of a log-in, and of the page of one's own."""

from django.urls import path

from campsite.login import own, pages

urlpatterns = [
    path("login/", pages.password_page),  # the admin's own name leads here
    path("login/password/", pages.own_password, name="login-own-password"),
    path("login/code/", pages.code, name="login-code"),
    path("login/telephone/", pages.enrol, name="login-enrol"),
    path("my-log-in/", own.page, name="my-log-in"),
    path("my-log-in/telephone/", own.switch_on, name="my-log-in-telephone"),
    path("my-log-in/change/", own.change, name="my-log-in-change"),
    path("my-log-in/leave/", own.leave, name="my-log-in-leave"),
]
