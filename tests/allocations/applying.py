"""What tests of the application form write into it, and an application that lacks nothing."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from allocations.fields import FIELDS, Kind, Level, Section, is_from_firm, level_of
from allocations.models import Application, ConsentText, FirmDetails
from allocations.services.consents import consent_give, texts_for
from tests.factories import NOW

PROJECT = {
    "title_ko": "배터리 열화 예측",
    "title_en": "Battery ageing",
    "summary": "요약입니다.",
    "purpose": "목적입니다.",
}
NEED = {
    "h100-gpus_per_job": "4",
    "h100-hours_per_run": "1.5",
    "h100-runs": "1,000",
    "h100-requested": "",
    "starts_on": "2026-04-01",
    "ends_on": "2026-09-30",
}
SUBMIT_PAGE = "Check and submit"

FIRM = {
    "business_number": "1248100998",
    "representative": "이영일",
    "size": "small",
    "address": "포항시 남구 지곡로 394",
    "in_pohang": True,
}


def completed(application: Application) -> Application:
    """Every required field without a column filled in, the delegate named, every text agreed to."""
    for field in FIELDS:
        if field.kind == Kind.BLOCK or field.has_column or field.section == Section.FIRM:
            continue
        if level_of(application.call, field) == Level.REQUIRED:
            application.answers[field.name] = _some(field)
    application.delegate_name = application.delegate_name or "박보라"
    application.delegate_email = application.delegate_email or "delegate@institution.example"
    application.save()
    if is_from_firm(application):
        FirmDetails.objects.update_or_create(application=application, defaults=FIRM)
    texts = texts_for(ConsentText.Stage.APPLICATION, application.call.track)
    consent_give(user=application.applicant, texts_given=dict.fromkeys(texts, True), application=application, at=NOW)
    return Application.objects.get(pk=application.pk)


def _some(field: Any) -> Any:
    return {
        Kind.CHOICE: lambda: field.choices[0][0] if field.name != "personal_data" else "no",
        Kind.SEVERAL: lambda: [field.choices[0][0]],
        Kind.KEYWORDS: lambda: ["철강", "비전"],
        Kind.NUMBER: lambda: 1,
    }.get(field.kind, lambda: "내용입니다.")()


class Form:
    """The form in a browser: `form.post("need", {"h100-runs": "2"})` sends what is stored with these changes."""

    def __init__(self, client: Client, application: Application) -> None:
        self.client, self.application = client, application

    def address(self, step: str) -> str:
        return reverse("application_edit", args=[self.application.pk, step])

    def get(self, step: str) -> str:
        return self.client.get(self.address(step)).content.decode()

    def post(
        self,
        step: str,
        written: dict[str, Any] | None = None,
        action: str = "save",
        follow: bool = True,
        **headers: Any,
    ) -> Any:
        self.application.refresh_from_db()
        data: dict[str, Any] = {"revision": self.application.revision, "action": action}
        if step == "people":
            data |= rows("members") | rows("grants")
        data |= written or {}
        data = {name: value for name, value in data.items() if value is not None}
        return self.client.post(self.address(step), data, follow=follow, **headers)


def rows(prefix: str, *written: dict[str, str], initial: int = 0) -> dict[str, Any]:
    """A formset's data: the rows and an empty one."""
    data: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(written), f"{prefix}-INITIAL_FORMS": initial}
    for number, row in enumerate(written):
        data |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return data
