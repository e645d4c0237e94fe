"""Queries that are written once: what open pages ask for again and again.

Django writes a query's SQL anew each time, which for one with subqueries takes longer than the database needs for it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet


class Prepared:
    """A query whose SQL is the same for all values that vary: `build` makes it of them. `examples` are values that
    occur nowhere else in it. Settings that it reads are read once."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], *examples: Any) -> None:
        self._build, self._examples = build, examples
        self._written: tuple[QuerySet[Any, Any], Any, str, tuple[Any, ...]] | None = None

    def __call__(self, *values: Any) -> QuerySet[Any, Any]:
        """Its rows; not to be filtered or ordered further."""
        if self._written is None:
            self._written = self._write()
        queryset, written, sql, params = self._written
        given = dict(zip(self._examples, values, strict=True))
        filled = tuple(
            given.get(value, value) if isinstance(value, int | str | datetime) else value for value in params
        )

        def compiler(using: str | None = None, *_: Any, **__: Any) -> Any:
            found = copy(written)
            found.connection = connections[using or DEFAULT_DB_ALIAS]
            found.as_sql = lambda *_, **__: (sql, filled)
            return found

        asked = queryset.all()
        asked.query.get_compiler = compiler  # type: ignore[method-assign]
        return asked

    def _write(self) -> tuple[QuerySet[Any, Any], Any, str, tuple[Any, ...]]:
        queryset = self._build(*self._examples)
        written = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = written.as_sql()
        return queryset, written, sql, tuple(params)
