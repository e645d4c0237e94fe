"""Django's `i18n`, under whose name settings put this: `{% translate "…" %}` of a plain text is looked up only once.

Tables name their columns in every cell, for narrow screens. On a long page a fifth of the time went into looking the
same words up again and again.
"""

from __future__ import annotations

from django import template
from django.template.base import Node, Parser, Token, Variable
from django.template.context import Context
from django.templatetags import i18n
from django.templatetags.i18n import TranslateNode, do_translate
from django.utils.translation import get_language

register = template.Library()
register.tags |= i18n.register.tags
register.filters |= i18n.register.filters


class PlainText(Node):
    """A text that the template itself holds, as it is in each language."""

    child_nodelists = ()

    def __init__(self, node: TranslateNode) -> None:
        self._node = node
        self._texts: dict[tuple[str | None, bool], str] = {}

    def render(self, context: Context) -> str:
        key = get_language(), context.autoescape
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._node.render(context)
        return text


@register.tag
def translate(parser: Parser, token: Token) -> Node:
    node = do_translate(parser, token)
    return PlainText(node) if _is_plain(node) else node


register.tag("trans", translate)


def _is_plain(node: TranslateNode) -> bool:
    """Whether it depends on the language alone."""
    if node.asvar or node.filter_expression.filters:
        return False
    if node.message_context and not isinstance(node.message_context.var, str):
        return False
    var = node.filter_expression.var
    return isinstance(var, Variable) and var.literal is not None
