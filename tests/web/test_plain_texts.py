"""`{% translate %}` says the same as Django's, and looks a plain text up once in each language."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.utils import translation

from portal.web.templatetags.plain_texts import PlainText


def rendered(template: Template, language: str, **context: object) -> str:
    with translation.override(language):
        return template.render(Context(context))


@pytest.mark.parametrize("tag", ["translate", "trans"])
def test_a_plain_text_is_said_in_the_language_of_each_page(tag: str) -> None:
    template = Template('{% load i18n %}{% tag "Pool" %}'.replace("tag", tag))
    assert [rendered(template, language) for language in ("ko", "en", "ko")] == ["자원 풀", "Pool", "자원 풀"]
    assert isinstance(template.nodelist[-1], PlainText)


def test_it_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    template = Template('{% load i18n %}{% translate "Pool" %}')
    first = rendered(template, "ko")
    monkeypatch.setattr(template.nodelist[-1], "_node", None)
    assert rendered(template, "ko") == first


def test_a_context_tells_apart_what_reads_alike() -> None:
    template = Template('{% load i18n %}{% translate "GPUs" context "number" %}/{% translate "GPUs" %}')
    assert rendered(template, "en") == "GPUs/GPUs"
    assert rendered(template, "ko").split("/")[0] == "GPU 수"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% translate word %}", "자원 풀"),
        ('{% translate "Pool"|upper %}', "자원 풀"),
        ('{% translate "Pool" as said %}[{{ said }}]', "[자원 풀]"),
        ('{% translate "Pool" noop %}', "Pool"),
        ('{% translate "100 %" %}', "100 %"),
    ],
)
def test_everything_else_is_djangos(text: str, said: str) -> None:
    assert rendered(Template("{% load i18n %}" + text), "ko", word="Pool") == said
