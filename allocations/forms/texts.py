"""Forms for the office's texts: programmes, texts people agree to, the center's own words, and pools."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import WholeNumberField
from allocations.models import Call, CenterText, ConsentText, Pool, Programme
from allocations.services.texts import ConsentWords
from allocations.texts import Place

# "new" is an address of its own.
CONSENT_CODE = r"^(?!new$)[a-z][a-z0-9-]*$"


class ProgrammeForm(forms.ModelForm):
    use_required_attribute = False

    class Meta:
        model = Programme
        fields = ["name_ko", "name_en", "position", "active"]
        labels = {"name_ko": _("Name in Korean"), "name_en": _("Name in English"), "position": _("Order")}


class ConsentTextForm(forms.Form):
    """A new version begins from the one in use; code and stage belong to the text, not to the version."""

    code = forms.RegexField(
        CONSENT_CODE,
        label=_("Short name"),
        max_length=30,
        help_text=_("In lower-case letters, for the records."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )
    stage = forms.ChoiceField(label=_("Asked for"), choices=ConsentText.Stage.choices)
    title_ko = forms.CharField(label=_("Korean title"), max_length=120)
    title_en = forms.CharField(label=_("English title"), max_length=120)
    text_ko = forms.CharField(label=_("Korean text"), widget=forms.Textarea(attrs={"rows": 14}))
    text_en = forms.CharField(label=_("English text"), widget=forms.Textarea(attrs={"rows": 14}))
    required = forms.BooleanField(
        label=_("Agreement is required"),
        required=False,
        initial=True,
        help_text=_("Without it nobody can go on. What is optional must not be a condition."),
    )
    track = forms.ChoiceField(
        label=_("Only in the track"), choices=[("", _("Every track")), *Call.Track.choices], required=False
    )
    position = WholeNumberField(label=_("Order"), min_value=0, max_value=1000, initial=0)
    use_required_attribute = False

    def __init__(self, newest: ConsentText | None, data: QueryDict | None = None) -> None:
        names = ["code", "stage", "title_ko", "title_en", "text_ko", "text_en", "required", "track", "position"]
        super().__init__(data, initial={name: getattr(newest, name) for name in names} if newest else {})
        if newest is not None:
            self.fields["code"].disabled = self.fields["stage"].disabled = True

    def words(self) -> ConsentWords:
        """Of a valid form. Line ends are the same whoever sent them, so that the text's hash is."""
        names = ["stage", "title_ko", "title_en", "required", "track", "position"]
        texts = {name: self.cleaned_data[name].replace("\r\n", "\n") for name in ["text_ko", "text_en"]}
        return ConsentWords(**{name: self.cleaned_data[name] for name in names}, **texts)


class CenterTextForm(forms.Form):
    text_ko = forms.CharField(label=_("Korean text"), required=False, widget=forms.Textarea(attrs={"rows": 6}))
    text_en = forms.CharField(label=_("English text"), required=False, widget=forms.Textarea(attrs={"rows": 6}))

    def __init__(self, place: Place, own: CenterText | None, data: QueryDict | None = None) -> None:
        initial = {
            "text_ko": (own and own.text_ko) or place.default_ko,
            "text_en": (own and own.text_en) or place.default_en,
        }
        super().__init__(data, initial=initial)


class PoolForm(forms.Form):
    """What is said of a pool; what Slurm knows it by is not changed here."""

    name_ko = forms.CharField(label=_("Name in Korean"), max_length=60)
    name_en = forms.CharField(label=_("Name in English"), max_length=60)
    rate = forms.DecimalField(
        label=_("Rate"),
        min_value=Decimal("0.01"),
        max_value=Decimal("100"),
        decimal_places=2,
        help_text=_("What an hour here is worth in standard hours, when hours move between pools."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    most_gpus_per_job = WholeNumberField(label=_("Most GPUs per job"), min_value=1, max_value=1000)
    position = WholeNumberField(label=_("Order"), min_value=0, max_value=1000)
    use_required_attribute = False

    def __init__(self, pool: Pool, data: QueryDict | None = None) -> None:
        initial = {name: getattr(pool, name) for name in ["name_ko", "name_en", "most_gpus_per_job", "position"]}
        super().__init__(data, initial={**initial, "rate": f"{Decimal(pool.rate_hundredths) / 100:.2f}"})

    def values(self) -> dict[str, Any]:
        """Of a valid form."""
        names = ["name_ko", "name_en", "most_gpus_per_job", "position"]
        rate = int(self.cleaned_data["rate"] * 100)
        return {**{name: self.cleaned_data[name] for name in names}, "rate_hundredths": rate}
