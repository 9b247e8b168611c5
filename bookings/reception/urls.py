"""Which address leads to which of reception's pages, below /admin/reception/."""

from django.urls import path

from bookings.reception import actions, pages

urlpatterns = [
    path("", pages.home, name="reception"),
    path("search/", pages.search, name="reception_search"),
    path("room/<int:pk>/", actions.of_room, name="reception_room"),
    path("told/<int:pk>/", actions.of_notice, name="reception_told"),
    path("report/<int:pk>/", actions.of_report, name="reception_solved"),
    path("stay/<int:pk>/card/", pages.card, name="reception_card"),
    path("stay/<int:pk>/mail/", pages.link_mail, name="reception_link_mail"),
    path("stay/<int:pk>/receipt.pdf", pages.receipt, name="reception_receipt"),
    path("stay/<int:pk>/data/<str:what>/", pages.data, name="reception_data"),
    path("stay/<int:pk>/<str:verb>/", actions.of_stay, name="reception_stay"),
    path("booking/<int:pk>/<str:verb>/", actions.of_booking, name="reception_verb"),
    path("<int:number>/", pages.booking, name="reception_booking"),
]
