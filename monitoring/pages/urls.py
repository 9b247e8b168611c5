"""Addresses below /admin/areas/."""

from django.urls import path

from monitoring.pages import views

urlpatterns = [
    path("", views.overview, name="areas_overview"),
    path("<slug:slug>/", views.area, name="area_page"),
    path("<slug:slug>/changes/", views.changes, name="area_changes"),
    path("<slug:slug>/apply/", views.apply, name="area_apply"),
    path("<slug:slug>/configuration.yaml", views.configuration, name="area_configuration"),
]
