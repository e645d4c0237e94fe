"""A person's access tokens: list, make, revoke."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from allocations.forms.tokens import TokenForm
from allocations.services import Refused
from allocations.services.tokens import token_create, token_revoke
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import LostRace
from portal.people.models import AccessToken

MOST_PAST = 20


@require_http_methods(["GET", "POST"])
@never_cache
@signed_in
def tokens(request: SignedInRequest) -> HttpResponse:
    """The answer that makes a token is the only page that ever shows its secret. Sent again, it makes no second one: it
    is refused for its name."""
    if request.method != "POST":
        return _page(request, TokenForm())
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            token, secret = token_create(**form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error("name", str(refusal))
        else:
            return render(request, "me/token_made.html", {"token": token, "secret": secret})
    return _page(request, form)


def _page(request: SignedInRequest, form: TokenForm) -> HttpResponse:
    at = timezone.now()
    own = AccessToken.objects.filter(user=request.user)
    valid = list(own.valid(at))
    context = {"form": form, "valid": valid, "past": own.exclude(pk__in=[row.pk for row in valid])[:MOST_PAST]}
    return render(request, "me/tokens.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def token_revoking(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks before, since a script that uses the token stops."""
    at = timezone.now()
    token = get_object_or_404(AccessToken.objects.valid(at).filter(user=request.user), pk=pk)
    if request.method != "POST":
        return render(request, "me/token_revoke.html", {"token": token})
    try:
        token_revoke(token=token, by=request.user, at=at)
    except LostRace:
        messages.info(request, _("The token %(name)s was no longer valid.") % {"name": token.name})
    else:
        messages.success(request, _("The token %(name)s is revoked: it opens nothing any more.") % {"name": token.name})
    return redirect("tokens")
