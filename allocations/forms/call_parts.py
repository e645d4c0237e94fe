"""Forms for the parts of a call: pools and caps, sizes, criteria, form fields, documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.fields import BY_NAME, FIELDS, Field, Level, Section, level_of, usual_level
from allocations.forms.amounts import GpuHoursField, WholeNumberField
from allocations.forms.attachments import SUFFIXES, FilesField
from allocations.models import Call, CallPool, Criterion, Pool, Tier
from allocations.scoring import HIGHEST
from allocations.services.call_parts import CallOffer, CriterionRow, TierRow
from allocations.services.drafts import Upload

ANCHORS = HIGHEST + 1
ANCHOR_LENGTH = 200


class OfferForm(forms.Form):
    """Which pools, how many GPU-hours of each, and how much one applicant or institution may ask for."""

    most_per_person = GpuHoursField(label=_("At most per applicant"), required=False, help_text=_("Empty: no limit."))
    most_per_institution = GpuHoursField(
        label=_("At most per institution"), required=False, help_text=_("Empty: no limit.")
    )
    use_required_attribute = False

    def __init__(self, call: Call, data: QueryDict | None = None) -> None:
        initial = {
            "most_per_person": call.most_gpu_seconds_per_person,
            "most_per_institution": call.most_gpu_seconds_per_institution,
        }
        super().__init__(data, initial=initial)
        offers: dict[int, CallPool] = {offer.pool_id: offer for offer in call.offers.all()}
        self.pools = list(Pool.objects.all())
        for pool in self.pools:
            offer = offers.get(pool.pk)
            self.fields[f"offer_{pool.code}"] = forms.BooleanField(
                label=gettext("Offer %(pool)s") % {"pool": pool}, required=False, initial=offer is not None
            )
            self.fields[f"hours_{pool.code}"] = GpuHoursField(
                label=gettext("GPU-hours of %(pool)s") % {"pool": pool},
                required=False,
                initial=offer.gpu_seconds if offer else None,
                help_text=gettext("Empty: no limit."),
            )

    def rows(self) -> Iterator[tuple[Pool, forms.BoundField, forms.BoundField]]:
        for pool in self.pools:
            yield pool, self[f"offer_{pool.code}"], self[f"hours_{pool.code}"]

    def offer(self) -> CallOffer:
        """Of a valid form."""
        chosen = [pool for pool in self.pools if self.cleaned_data[f"offer_{pool.code}"]]
        return CallOffer(
            gpu_seconds={pool: self.cleaned_data[f"hours_{pool.code}"] for pool in chosen},
            most_per_person=self.cleaned_data["most_per_person"],
            most_per_institution=self.cleaned_data["most_per_institution"],
        )


class TierForm(forms.Form):
    name_ko = forms.CharField(label=_("Name in Korean"), max_length=60)
    name_en = forms.CharField(label=_("Name in English"), max_length=60)
    upto = GpuHoursField(label=_("Up to"), required=False, help_text=_("Empty: any amount."))
    route = forms.ChoiceField(label=_("Route"), choices=Tier.Route.choices, initial=Tier.Route.FULL)
    reviews_needed = WholeNumberField(
        label=_("Scientific reviews, where there are any"), min_value=1, max_value=9, initial=2
    )
    most_days = WholeNumberField(label=_("Longest period"), min_value=1, max_value=1100, initial=366)
    use_required_attribute = False

    def row(self) -> TierRow:
        data = self.cleaned_data
        full = data["route"] == Tier.Route.FULL
        return TierRow(
            name_ko=data["name_ko"],
            name_en=data["name_en"],
            upto_gpu_seconds=data["upto"],
            route=data["route"],
            reviews_needed=data["reviews_needed"] if full else 0,
            most_days=data["most_days"],
        )


class CriterionForm(forms.Form):
    name_ko = forms.CharField(label=_("Name in Korean"), max_length=80)
    name_en = forms.CharField(label=_("Name in English"), max_length=80)
    weight = WholeNumberField(label=_("Weight"), min_value=1, max_value=100)
    help_ko = forms.CharField(label=_("Korean explanation"), max_length=300, required=False)
    help_en = forms.CharField(label=_("English explanation"), max_length=300, required=False)
    anchors_ko = forms.CharField(
        label=_("What 0 to 5 mean, in Korean"),
        required=False,
        help_text=_("Six lines, from 0 to 5. Empty: the usual words."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    anchors_en = forms.CharField(
        label=_("What 0 to 5 mean, in English"),
        required=False,
        help_text=_("Six lines, from 0 to 5. Empty: the usual words."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    use_required_attribute = False

    def clean_anchors_ko(self) -> list[str]:
        return _anchors(self.cleaned_data["anchors_ko"])

    def clean_anchors_en(self) -> list[str]:
        return _anchors(self.cleaned_data["anchors_en"])

    def row(self) -> CriterionRow:
        names = ["name_ko", "name_en", "weight", "help_ko", "help_en", "anchors_ko", "anchors_en"]
        return CriterionRow(**{name: self.cleaned_data[name] for name in names})


def _anchors(text: str) -> list[str]:
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines and len(lines) != ANCHORS:
        raise forms.ValidationError(gettext("Write six lines, one for each of 0 to 5, or nothing."))
    if any(len(line) > ANCHOR_LENGTH for line in lines):
        raise forms.ValidationError(gettext("A line has at most %(most)s characters.") % {"most": ANCHOR_LENGTH})
    return lines


class BaseRows(forms.BaseFormSet):
    """Rows in the order given; those marked for removal and those left empty are nobody's."""

    def rows(self) -> list[Any]:
        """Of a valid formset."""
        kept = [form for form in self.forms if form.has_changed() or form.initial]
        return [form.row() for form in kept if not form.cleaned_data.get("DELETE")]


class BaseCriteria(BaseRows):
    """Criteria can be put in another order."""

    def rows(self) -> list[Any]:
        kept = [form for form in self.ordered_forms if form.has_changed() or form.initial]
        return [form.row() for form in kept]


TierRows: type[BaseRows] = forms.formset_factory(  # type: ignore[assignment]
    TierForm, formset=BaseRows, extra=1, can_delete=True, can_delete_extra=False, max_num=20, validate_max=True
)
CriterionRows: type[BaseCriteria] = forms.formset_factory(  # type: ignore[assignment]
    CriterionForm,
    formset=BaseCriteria,
    extra=1,
    can_delete=True,
    can_delete_extra=False,
    can_order=True,
    max_num=20,
    validate_max=True,
)


def tier_rows(call: Call, data: QueryDict | None = None) -> BaseRows:
    tiers: Iterable[Tier] = call.tiers.all()
    names = ["name_ko", "name_en", "route", "most_days"]
    initial = [
        {
            **{name: getattr(tier, name) for name in names},
            "upto": tier.upto_gpu_seconds,
            "reviews_needed": tier.reviews_needed or 1,
        }
        for tier in tiers
    ]
    return TierRows(data, prefix="tiers", initial=initial)


def criterion_rows(call: Call, data: QueryDict | None = None) -> BaseCriteria:
    criteria: Iterable[Criterion] = call.criteria.all()
    names = ["name_ko", "name_en", "weight", "help_ko", "help_en"]
    initial = [
        {
            **{name: getattr(row, name) for name in names},
            "anchors_ko": "\n".join(row.anchors_ko),
            "anchors_en": "\n".join(row.anchors_en),
        }
        for row in criteria
    ]
    return CriterionRows(data, prefix="criteria", initial=initial)


class FieldsForm(forms.Form):
    """Required, optional or hidden, for every field of the application form that is not fixed."""

    use_required_attribute = False

    def __init__(self, call: Call, data: QueryDict | None = None, *, locked: bool = False) -> None:
        super().__init__(data)
        self.track = call.track
        for field in FIELDS:
            if not field.fixed:
                self.fields[field.name] = forms.ChoiceField(
                    label=field.label, choices=Level.choices, initial=level_of(call, field), disabled=locked
                )

    def sections(self) -> Iterator[tuple[Section, list[tuple[Field, Level, forms.BoundField | None]]]]:
        """Each step with its fields: what is usual in the track, and the control; none where no call changes it."""
        for section in Section:
            rows = [field for field in FIELDS if field.section == section]
            yield (
                section,
                [(row, usual_level(self.track, row), None if row.fixed else self[row.name]) for row in rows],
            )

    def levels(self) -> dict[str, str]:
        """Of a valid form: where they differ from the usual."""
        levels = self.cleaned_data.items()
        return {name: level for name, level in levels if level != usual_level(self.track, BY_NAME[name])}


class DocumentForm(forms.Form):
    title_ko = forms.CharField(label=_("Korean title"), max_length=120)
    title_en = forms.CharField(label=_("English title"), max_length=120)
    file = FilesField(
        label=_("File"),
        help_text=_("PDF, HWP, HWPX, DOCX or PNG, at most 20 MB."),
        widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES.values())}),
    )
    use_required_attribute = False

    def clean_file(self) -> Upload:
        uploads: list[Upload] = self.cleaned_data["file"]
        if not uploads:
            raise forms.ValidationError(gettext("Choose a file."))
        return uploads[0]
