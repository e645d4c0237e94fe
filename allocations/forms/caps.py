"""What a member may use at most, a field to each pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Pool


class CapsForm(forms.Form):
    """`rows`: the project's pools with the cap that stands, in GPU-seconds. An empty field is no cap."""

    use_required_attribute = False

    def __init__(self, *args: Any, rows: Sequence[tuple[Pool, int | None]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.pools = [pool for pool, _cap in rows]
        for pool, cap in rows:
            label = _("At most, in %(pool)s") % {"pool": pool.name}
            self.fields[pool.code] = GpuHoursField(label=label, required=False, least="0", initial=cap)

    def field_of(self, pool: Pool) -> forms.BoundField:
        return self[pool.code]

    def caps(self) -> Iterator[tuple[Pool, int | None]]:
        """What is wanted, in GPU-seconds; None for no cap."""
        for pool in self.pools:
            yield pool, self.cleaned_data[pool.code]
