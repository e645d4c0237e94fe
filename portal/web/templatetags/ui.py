"""Tags for the frame and its parts: `{% load ui %}`. Every part is shown on /components/.

Navigation   {% nav_link "call_list" label %}  {% breadcrumbs %}{% crumb label "url_name" args… %}{% endbreadcrumbs %}
             {% tab "ledger" label args… %}
State        {% badge "success" text %}  {% status_badge row %}  {% progress used total label=… %}  {% bar part whole %}
Text         {% codebox text label=… %}  {% pagination page %}
Charts       {% chart figure "element-id" label=… %}  {% chart_scripts %}
Forms        {% field form.x suffix=… %}  {% form_errors form formset %}   (portal/web/form_parts.py)
Figures and moments are in the library `figures`.
"""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.core.paginator import Page
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.template import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from portal.web import form_parts
from portal.web.templatetags.figures import percent

register = template.Library()
register.inclusion_tag("parts/field.html", name="field")(form_parts.field)
register.inclusion_tag("parts/form_errors.html", name="form_errors", takes_context=True)(form_parts.form_errors)

# Which kind of badge a stored status wears; what is not listed is neutral.
STATUS_KINDS = {
    "submitted": "info",
    "returned": "warning",
    "technical": "pending",
    "review": "pending",
    "panel": "pending",
    "decided": "pending",
    "reserve": "info",
    "offered": "success",
    "awarded": "success",
    "in_force": "success",
    "active": "success",
    "applying": "pending",
    "invited": "pending",
    "refused": "danger",
}


def _address(url_name: str, *args: object) -> str:
    """The address, or "" where the portal has no such page (yet)."""
    try:
        return reverse(url_name, args=args) if url_name else ""
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def nav_link(context: Context, url_name: str, label: str) -> SafeString | str:
    """`<li><a>` to a section, marked where the reader is; nothing where the address does not exist."""
    address = _address(url_name)
    if not address:
        return ""
    current = _current(context, address, below=address != "/")
    return format_html('<li><a href="{}"{}>{}</a></li>', address, current, label)


@register.simple_tag(takes_context=True)
def tab(context: Context, url_name: str, label: str, *args: object, below: bool = False) -> SafeString | str:
    """One of several pages about the same thing, marked where the reader is; nothing where there is no such page.
    `below`: marked on the pages below its own, too."""
    address = _address(url_name, *args)
    if not address:
        return ""
    return format_html('<a href="{}"{}>{}</a>', address, _current(context, address, below=below), label)


def _current(context: Context, address: str, *, below: bool) -> SafeString | str:
    path = context["request"].path if "request" in context else ""
    if path == address:
        return SafeString(' aria-current="page"')
    return SafeString(' aria-current="true"') if below and path.startswith(address) else ""


@register.simple_block_tag
def breadcrumbs(content: str) -> SafeString:
    """The way from home to this page, around `{% crumb %}`s."""
    return format_html(
        '<nav class="breadcrumbs" aria-label="{}"><ol>{}{}</ol></nav>',
        _("You are here"),
        crumb(_("Home"), "home"),
        content,
    )


@register.simple_tag
def crumb(label: object, url_name: str = "", *args: object) -> SafeString:
    """One step: a link where a URL name is given, else the page itself."""
    address = _address(url_name, *args)
    if address:
        return format_html('<li><a href="{}">{}</a></li>', address, label)
    return format_html('<li aria-current="page">{}</li>', label)


@register.simple_tag
def badge(kind: str, text: object) -> SafeString:
    """A word with a mark; kinds: neutral, info, pending, success, warning, danger."""
    return format_html('<span class="badge {}">{}</span>', kind, text)


@register.simple_tag
def status_badge(row: Model, name: str = "status") -> SafeString:
    """The badge of a model's choice field, in the words of the model."""
    return badge(STATUS_KINDS.get(str(getattr(row, name)), "neutral"), getattr(row, f"get_{name}_display")())


@register.inclusion_tag("parts/progress.html")
def progress(part: int, whole: int, label: str = "") -> dict[str, Any]:
    """How much of the whole is reached, in words and as a bar; more than all of it is said and marked."""
    return {
        "label": label or _("Used"),
        "percent": percent(part, whole),
        "over": part > whole,
        **_span(part, whole),
    }


@register.inclusion_tag("parts/bar.html")
def bar(part: int, whole: int) -> dict[str, Any]:
    """A bar for a table cell, whose number stands in a cell of its own."""
    return _span(part, whole)


def _span(part: int, whole: int) -> dict[str, int]:
    """Value and maximum of a <progress>, which knows neither zero nor more than all."""
    return {"value": max(0, min(part, whole)), "maximum": max(whole, 1)}


@register.inclusion_tag("parts/codebox.html")
def codebox(text: str, label: str = "") -> dict[str, Any]:
    """A line to copy: selectable text, with a button where JavaScript runs."""
    return {"words": text.split(" "), "label": label}


@register.inclusion_tag("parts/pagination.html", takes_context=True)
def pagination(context: Context, page: Page[Any]) -> dict[str, Any]:
    """Links to the pages of a list; the rest of the query string is kept. Nothing where there is one page."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return {"page": page, "numbers": list(numbers), "request": context.get("request")}


@register.simple_tag
def chart(figure: Any, element_id: str, label: str, size: str = "") -> SafeString:
    """A chart that static/js/charts.js draws: a Plotly figure, its dict, or the address of its JSON.

    `size="small"` keeps room for a lower one. Colours are written as CSS custom properties: "var(--series-1)".
    """
    css = f"chart {size}".strip()
    if isinstance(figure, str):
        return format_html(
            '<div class="{}" id="{}" role="img" aria-label="{}" data-chart-url="{}"></div>',
            css,
            element_id,
            label,
            figure,
        )
    content = figure.to_plotly_json() if hasattr(figure, "to_plotly_json") else figure
    content.get("layout", {}).pop("template", None)
    # In an attribute and not in a <script> of JSON: htmx takes scripts out of what it swaps in.
    return format_html(
        '<div class="{}" id="{}" role="img" aria-label="{}" data-chart="{}"></div>',
        css,
        element_id,
        label,
        json.dumps(content, cls=DjangoJSONEncoder, ensure_ascii=False),
    )


@register.simple_tag
def chart_scripts() -> SafeString:
    """Plotly and what draws with it. The link comes first: by its id and class Plotly knows that its rules are in
    a stylesheet, and writes no <style>, which the content security policy forbids."""
    return format_html(
        '<link rel="stylesheet" id="plotly.js-style-global" class="no-inline-styles" href="{}">'
        '<script src="{}" defer></script><script src="{}" defer></script>',
        static("css/plotly.css"),
        static("vendor/plotly/plotly-basic.min.js"),
        static("js/charts.js"),
    )
