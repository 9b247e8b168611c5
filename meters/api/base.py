"""What the resources of the API share."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from drf_spectacular.utils import OpenApiResponse
from rest_framework import viewsets
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.views import APIView

from meters.api.errors import ErrorSerializer
from meters.api.pagination import Pages

REFUSED = {
    400: OpenApiResponse(ErrorSerializer, description="A parameter is unknown or wrong; `fields` says which."),
    401: OpenApiResponse(ErrorSerializer, description="No token, or a wrong one."),
    403: OpenApiResponse(ErrorSerializer, description="Only for staff."),
    429: OpenApiResponse(
        ErrorSerializer, description="Too many calls; the header `Retry-After` says when to come again."
    ),
}
MISSING = REFUSED | {404: OpenApiResponse(ErrorSerializer, description="There is none of this name.")}
NOT_SWITCHED = MISSING | {
    400: OpenApiResponse(ErrorSerializer, description="The body or a header is wrong; `fields` says where."),
    403: OpenApiResponse(ErrorSerializer, description="Only for staff who may switch meters."),
    415: OpenApiResponse(ErrorSerializer, description="The body is no application/json."),
}

NOT_SEEN = {403: OpenApiResponse(ErrorSerializer, description="Only for staff who may see commands.")}

Anything = TypeVar("Anything", bound=Model)


class Permitted(IsAdminUser):
    """Staff with a permission, as in the admin."""

    needs: str

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and request.user.has_perm(self.needs)


class MaySwitch(Permitted):
    needs = "meters.switch_meter"
    message = "This needs the permission to switch meters."


class MaySeeCommands(Permitted):
    needs = "meters.view_command"
    message = "This needs the permission to see commands."


class English:
    """Machines read the messages: they are English, whatever the browser prefers. No cache keeps them: they are of now,
    and name guests. Who calls too often is told by REST_FRAMEWORK's throttle and EXCEPTION_HANDLER.
    """

    counts_itself = True

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with translation.override("en"):
            answer = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        add_never_cache_headers(answer)
        return answer


class ReadOnly(English, viewsets.ReadOnlyModelViewSet[Anything]):
    """What the resources share: pages, filters, and that an unknown or repeated parameter is an error, not ignored."""

    pagination_class: type[BasePagination] | None = Pages
    filterset_class: Any = None
    own_parameters: ClassVar[dict[str, set[str]]] = {}
    """By action: the parameters it knows beside the list's filters."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\x00" in str(part) for part in kwargs.values()):  # PostgreSQL's texts cannot hold it
            raise NotFound
        known, wrong = self.known_parameters(), {}
        for name, values in sorted(request.query_params.lists()):
            if name not in known:
                wrong[name] = ["There is no such parameter."]
            elif len(values) > 1:
                wrong[name] = ["Given more than once."]
        if wrong:
            raise ValidationError(wrong)

    def filter_queryset(self, queryset: Any) -> Any:
        """What is equal in the order that was asked for has an order, too: no row is on two pages, or on none."""
        found = super().filter_queryset(queryset)
        ordering = found.query.order_by or found.model._meta.ordering or ()
        return found.order_by(*ordering, "pk")

    def known_parameters(self) -> set[str]:
        if self.action == "list":
            return {"limit", "offset", *self.filterset_class.base_filters}
        return self.own_parameters.get(self.action, set())
