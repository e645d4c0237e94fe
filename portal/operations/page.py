"""The operator's page: what needs a person, what the cluster is, what stands in the way, what was done."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from allocations.views.base import SignedInRequest, requires
from portal.operations.state import page_context
from portal.people.permissions import Permission


@requires(Permission.OPERATIONS_VIEW)
def operations(request: SignedInRequest) -> HttpResponse:
    return render(request, "operations/page.html", page_context(at=timezone.now()))
