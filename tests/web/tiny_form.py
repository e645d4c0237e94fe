"""The smallest form that saves itself, and one that does not, for tests of what keeps text from being lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template import RequestContext, Template

from allocations.views.base import signed_in
from portal.web.autosave import is_autosave, not_saved, saved

PAGE = """{% extends "base.html" %}{% block title %}Tiny{% endblock %}
{% block content %}<h1>Tiny</h1>
{% if stale %}<p id="stale">Stored meanwhile: {{ stored.text }}</p>{% endif %}
<form method="post" class="form" enctype="multipart/form-data" novalidate data-guard data-autosave>
  {% csrf_token %}
  <input type="hidden" name="revision" value="{{ stored.revision }}">
  <p data-autosave-status></p>
  <div data-meter><progress value="0" max="100" aria-label="Complete"></progress> <span class="num">0 %</span></div>
  <div class="field"><label for="id_title">Title <span>required</span></label>
    <input id="id_title" name="title" value="{{ shown.title }}"></div>
  <div class="field"><label for="id_text">Text</label>
    <textarea id="id_text" name="text">{{ shown.text }}</textarea></div>
  <fieldset class="field"><legend>Size</legend>{% for size in "SL" %}
    <label><input type="radio" name="size" value="{{ size }}"
      {% if shown.size == size %}checked{% endif %}>{{ size }}</label>
  {% endfor %}</fieldset>
  <div class="field"><label for="id_plan">Plan</label><input type="file" id="id_plan" name="plan"></div>
  <div class="actions"><button class="button primary" name="action" value="submit">Submit</button>
    <button class="button" name="action" value="keep">Keep</button><a href="/tiny/sent/">Elsewhere</a></div>
</form>{% endblock %}"""
SHORT = """{% extends "base.html" %}{% block content %}<h1>Short</h1>
<form method="post" class="form" enctype="multipart/form-data" data-guard>{% csrf_token %}
  <label for="id_text">Text</label><textarea id="id_text" name="text"></textarea>
  <label for="id_plan">Plan</label><input type="file" id="id_plan" name="plan">
  <button class="button primary" name="action" value="submit">Submit</button>
</form>{% endblock %}"""
SENT = """{% extends "base.html" %}{% block content %}<h1>Sent</h1>
<p>{{ stored.buttons|join:"," }}: <span id="text">{{ stored.text }}</span></p>{% endblock %}"""
FIELDS = ("title", "text", "size")


@dataclass
class Stored:
    revision: int = 0
    title: str = ""
    text: str = ""
    size: str = ""
    buttons: list[str] = field(default_factory=list)
    autosaves: int = 0

    def take(self, request: HttpRequest) -> bool:
        """False where somebody else stored something since the page was shown."""
        if request.POST.get("revision") != str(self.revision):
            return False
        for name in FIELDS:
            if name not in too_long(request):
                setattr(self, name, request.POST.get(name, "").strip())
        self.revision += 1
        return True


def too_long(request: HttpRequest) -> list[str]:
    return ["title"] if len(request.POST.get("title", "")) > 20 else []


stored = Stored()


def start_again(**values: Any) -> Stored:
    stored.__init__(**values)  # type: ignore[misc]
    return stored


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    stale = False
    if is_autosave(request):
        stored.autosaves += 1
        if not stored.take(request):
            return not_saved()
        done = bool(stored.text)
        return saved(stored.revision, meter=100 * done, problems=int(not done), unsaved=too_long(request))
    if request.method == "POST":
        stale = not stored.take(request)
        if not stale:
            stored.buttons.append(request.POST.get("action", "none"))
            return redirect("/tiny/sent/")
    shown = request.POST if stale else stored
    return HttpResponse(
        Template(PAGE).render(RequestContext(request, {"stored": stored, "shown": shown, "stale": stale}))
    )


@signed_in
def short(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        stored.text = request.POST["text"]
        stored.buttons.append(request.POST.get("action", "none"))
        return redirect("/tiny/sent/")
    return HttpResponse(Template(SHORT).render(RequestContext(request)))


@signed_in
def sent(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(SENT).render(RequestContext(request, {"stored": stored})))
