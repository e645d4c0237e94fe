"""The tags of the frame: navigation, state, lists, charts."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation
from django.utils.html import strip_tags

from allocations.models import Application


@pytest.fixture(autouse=True)
def english() -> Any:
    with translation.override("en"):
        yield


def render(source: str, path: str = "/", **context: Any) -> str:
    request = RequestFactory().get(path)
    return Template("{% load ui %}" + source).render(Context({"request": request, **context}))


def test_navigation_marks_the_page_and_the_section_one_is_in() -> None:
    source = '{% nav_link "call_list" "Calls" %}'
    assert 'href="/calls/" aria-current="page"' in render(source, "/calls/")
    assert 'href="/calls/" aria-current="true"' in render(source, "/calls/7/")
    assert "aria-current" not in render(source, "/projects/")


def test_home_is_marked_on_home_only() -> None:
    assert "aria-current" not in render('{% nav_link "home" "Home" %}', "/calls/")


def test_a_link_to_what_does_not_exist_is_left_out() -> None:
    assert render('{% nav_link "no_such_page" "Nowhere" %}') == ""


def test_breadcrumbs_lead_from_home_to_the_page_itself() -> None:
    html = render('{% breadcrumbs %}{% crumb "Calls" "call_list" %}{% crumb name %}{% endbreadcrumbs %}', name="<2026>")
    assert re.findall(r'href="([^"]*)"', html) == ["/", "/calls/"]
    assert '<li aria-current="page">&lt;2026&gt;</li>' in html


@pytest.mark.parametrize(
    ("status", "kind"), [("draft", "neutral"), ("submitted", "info"), ("awarded", "success"), ("declined", "neutral")]
)
def test_a_status_wears_its_badge_in_the_words_of_the_model(status: str, kind: str) -> None:
    row = Application(status=status)
    assert render("{% status_badge row %}", row=row) == f'<span class="badge {kind}">{row.get_status_display()}</span>'


def test_progress_beyond_all_of_it_is_said_in_words() -> None:
    html = render("{% progress 130 100 %}")
    assert "130 %" in html
    assert "more than all of it" in html
    assert 'value="100" max="100"' in html


def test_progress_of_nothing_awarded_divides_by_nothing() -> None:
    assert 'value="0" max="1"' in render("{% progress 0 0 %}")


def test_pages_of_a_list_keep_the_rest_of_the_address() -> None:
    html = render("{% pagination page %}", "/projects/?q=steel&page=4", page=Paginator(range(200), 10).page(4))
    assert 'href="?q=steel&amp;page=5"' in html
    assert re.search(r'aria-current="page">.*4</span>', html)


def test_one_page_needs_no_pagination() -> None:
    assert render("{% pagination page %}", page=Paginator(range(5), 10).page(1)).strip() == ""


def test_a_chart_carries_its_figure_as_data_that_no_text_in_it_can_break_out_of() -> None:
    figure = {"data": [{"name": "</script><b>"}], "layout": {"template": {"big": 1}, "title": "a"}}
    html = render('{% chart figure "usage" label="Use" %}', figure=figure)
    assert "<b>" not in html
    held = re.search(r'data-chart="([^"]*)"', html)
    assert held
    assert json.loads(unescape(held[1])) == {"data": [{"name": "</script><b>"}], "layout": {"title": "a"}}


def test_a_chart_may_fetch_its_figure_from_an_address() -> None:
    html = render('{% chart address "usage" label="Use" %}', address="/projects/p26001/chart/")
    assert 'data-chart-url="/projects/p26001/chart/"' in html


def test_the_line_to_copy_is_text_also_where_no_script_runs() -> None:
    html = render('{% codebox line label="Submit" %}', line="sbatch --gpus=1 <job.sh>")
    assert strip_tags(html.partition("<button")[0]).split() == ["Submit", "sbatch", "--gpus=1", "&lt;job.sh&gt;"]
    assert re.search(r"<button[^>]*data-copy[^>]*hidden>", html)
