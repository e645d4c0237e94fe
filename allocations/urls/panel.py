"""Deciding, announcing, and the applicant's agreement."""

from django.urls import URLPattern, path

from allocations.views import deciding, offers, panel

urlpatterns: list[URLPattern] = [
    path("panel/", panel.panel, name="panel"),
    path("panel/calls/<int:pk>/", panel.panel_call, name="panel_call"),
    path("panel/calls/<int:pk>/ranking.csv", panel.panel_call_csv, name="panel_call_csv"),
    path("panel/calls/<int:pk>/proposal/", panel.panel_proposal, name="panel_proposal"),
    path("panel/calls/<int:pk>/announce/", panel.panel_announce, name="panel_announce"),
    path("panel/<int:pk>/", deciding.decide, name="decide"),
    path("panel/<int:pk>/reconsider/", deciding.reconsider, name="reconsider"),
    path("applications/<int:pk>/agreement/", offers.offer, name="offer"),
    path("applications/<int:pk>/agreement/turn-down/", offers.offer_turn_down_page, name="offer_turn_down"),
]
