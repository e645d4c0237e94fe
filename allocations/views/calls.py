"""Calls, open to everybody."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from allocations.models import Application, Call
from allocations.selectors import calls_listed
from allocations.workflow import ApplicationStatus


def call_list(request: HttpRequest) -> HttpResponse:
    return render(request, "calls/list.html", {"calls": calls_listed(timezone.now())})


def call_detail(request: HttpRequest, pk: int) -> HttpResponse:
    at = timezone.now()
    call = get_object_or_404(Call.objects.published(at), pk=pk)
    context = {
        "call": call,
        "is_open": call.is_open(at),
        "days_left": (call.closes_at - at).days,
        "draft": None,
        "lacks_institution": False,
        "contact": settings.DEFAULT_FROM_EMAIL,
    }
    if request.user.is_authenticated:
        own = Application.objects.filter(call=call, applicant=request.user)
        context |= {
            "draft": own.filter(status=ApplicationStatus.DRAFT).first(),
            "submitted": own.exclude(status__in=[ApplicationStatus.DRAFT, ApplicationStatus.WITHDRAWN]),
            "lacks_institution": request.user.institution_id is None,
        }
    return render(request, "calls/detail.html", context)
