"""The addresses below /api/v1/."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.contrib.admin.views.decorators import staff_member_required
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.routers import DefaultRouter

from meters.api import commands, views

router = DefaultRouter(use_regex_path=False)
router.include_format_suffixes = False
router.register("areas", views.AreaViewSet)
router.register("pitches", views.PitchViewSet)
router.register("meters", views.MeterViewSet)
router.register("commands", commands.CommandViewSet)

# Swagger UI writes style elements of its own; its scripts are files.
docs = csp_replace({"style-src": [SELF, UNSAFE_INLINE]})(
    staff_member_required(SpectacularSwaggerSplitView.as_view(url_name="api:schema"), login_url="admin:login")
)

app_name = "api"
urlpatterns = [
    path("schema/", views.Schema.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
    path("", include(router.urls)),
    re_path(r"^(?:.*/)?$", views.NothingHere.as_view()),  # without the slash Django adds it first
]
