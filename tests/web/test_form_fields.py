"""Fields are tied to their words: label, help, unit, problem; the summary leads to each."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django import forms
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation


class Proposal(forms.Form):
    title = forms.CharField(label="Title", help_text="In Korean.")
    hours = forms.IntegerField(label="Hours", min_value=1)
    merit = forms.ChoiceField(label="Merit", choices=[("5", "Excellent"), ("0", "Poor")], widget=forms.RadioSelect)
    secret = forms.CharField(widget=forms.HiddenInput)
    note = forms.CharField(label="Note", required=False, widget=forms.TextInput(attrs={"placeholder": "Note"}))

    def clean(self) -> None:
        if self.data.get("note") == "clash":
            raise forms.ValidationError("These do not go together.")


@pytest.fixture(autouse=True)
def english() -> Any:
    with translation.override("en"):
        yield


def render(source: str, method: str = "get", **context: Any) -> str:
    request = getattr(RequestFactory(), method)("/")
    return Template("{% load ui %}" + source).render(Context({"request": request, **context}))


def described_by(html: str) -> list[str]:
    return re.findall(r'aria-describedby="([^"]*)"', html)[0].split()


def test_a_field_points_at_its_help_its_unit_and_its_problem() -> None:
    html = render('{% field form.hours help="Whole ones." suffix="hours" %}', form=Proposal({"hours": "0"}))
    assert '<label for="id_hours"' in html
    assert described_by(html) == ["id_hours_helptext", "id_hours_unit", "id_hours_error"]
    assert all(f'id="{part}"' in html for part in described_by(html))
    assert 'aria-invalid="true"' in html


def test_a_field_without_words_points_at_nothing() -> None:
    assert "aria-describedby" not in render("{% field form.hours %}", form=Proposal())


def test_a_group_of_choices_has_a_legend_and_is_invalid_as_a_whole() -> None:
    html = render("{% field form.merit %}", form=Proposal({}))
    assert re.search(r'<fieldset class="field invalid"\s+id="id_merit"\s+aria-describedby="id_merit_error">', html)
    assert re.search(r"<legend\s*>\s*Merit", html)
    assert "aria-invalid" not in html


def test_a_field_says_that_it_is_required_unless_the_page_knows_better() -> None:
    assert "required</span>" in render("{% field form.title %}", form=Proposal())
    assert "required</span>" not in render("{% field form.title required=False %}", form=Proposal())


def test_a_placeholder_that_only_repeats_the_label_is_left_out() -> None:
    assert "placeholder" not in render("{% field form.note %}", form=Proposal())


def test_the_summary_links_every_problem_to_its_control() -> None:
    form = Proposal({"hours": "0", "note": "clash"})
    html = render("{% form_errors form %}", form=form)
    assert re.findall(r'href="#([^"]*)"', html) == ["id_title", "id_hours", "id_merit_0"]
    assert "There are 5 problems" in html
    assert "These do not go together." in html
    page = "".join(render("{% field bound %}", bound=bound) for bound in form.visible_fields())
    assert all(f'id="{target}"' in page for target in ("id_title", "id_hours", "id_merit_0"))


def test_the_summary_takes_the_focus_only_in_answer_to_what_was_sent() -> None:
    assert "data-focus" in render("{% form_errors form %}", "post", form=Proposal({}))
    assert "data-focus" not in render("{% form_errors form %}", form=Proposal({}))


def test_a_form_without_problems_has_no_summary() -> None:
    assert render("{% form_errors form formset %}", form=Proposal(), formset=None).strip() == ""


def test_problems_of_a_formset_name_their_row() -> None:
    rows = forms.formset_factory(Proposal, max_num=1, validate_max=True)
    data = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0", "form-0-title": "a", "form-1-title": ""}
    html = render("{% form_errors rows %}", rows=rows(data | {"form-1-hours": "0"}))
    assert '<a href="#id_form-1-title">Row 2: Title: ' in html
    assert "at most 1 form" in html
