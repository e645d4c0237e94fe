"""The office writes calls: what they need, and what stays fair once somebody has applied."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from allocations.defaults import make_defaults
from allocations.models import Application, Call, CallDocument, Tier
from allocations.services import Refused
from allocations.services.call_parts import (
    CallOffer,
    CriterionRow,
    TierRow,
    call_add_document,
    call_remove_document,
    call_set_criteria,
    call_set_fields,
    call_set_offer,
    call_set_tiers,
)
from allocations.services.call_rules import problems_before_publishing
from allocations.services.calls import (
    CallBasics,
    call_change,
    call_clone,
    call_create,
    call_publish,
    call_take_back,
)
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.post.models import Mail
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    PoolFactory,
    ReviewFactory,
    TierFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db

BASICS = CallBasics(
    title_ko="2026년 2차 공고",
    title_en="Second call of 2026",
    text_ko="안내",
    text_en="About it",
    opens_at=kst(2026, 4, 1, 9),
    closes_at=kst(2026, 5, 1, 18),
)
STARTER = TierRow("체험", "Starter", 100 * HOUR, Tier.Route.RULE, 0, 90)
LARGE = TierRow("대형", "Large", None, Tier.Route.FULL, 3, 366)
MERIT = CriterionRow("우수성", "Merit", 60)
NEED = CriterionRow("필요성", "Need", 40)


@pytest.fixture(autouse=True)
def defaults(db):
    make_defaults(NOW)


@pytest.fixture
def unpublished():
    return CallFactory(published_at=None)


def basics_of(call: Call) -> CallBasics:
    return CallBasics(**{name: getattr(call, name) for name in BASICS.values()})


def actions(call: Call) -> list[str]:
    events = Event.objects.filter(target_kind="call", target_id=str(call.pk))
    return list(events.order_by("pk").values_list("action", flat=True))


def test_from_the_first_word_to_publication(oh):
    call = call_create(basics=BASICS, by=oh, at=NOW)
    assert {problem.part for problem in problems_before_publishing(call, NOW)} == {"pools", "criteria"}
    with pytest.raises(Refused, match="No pool"):
        call_publish(call=call, moment=NOW, by=oh, at=NOW)
    call_set_offer(call=call, offer=CallOffer({PoolFactory(): 1000 * HOUR}), by=oh, at=NOW)
    call_set_tiers(call=call, rows=[LARGE, STARTER], by=oh, at=NOW)
    call_set_criteria(call=call, rows=[MERIT, NEED], by=oh, at=NOW)
    call = call_publish(call=call, moment=NOW, by=oh, at=NOW)
    assert call.stage(NOW) == Call.Stage.PUBLISHED
    assert [tier.name_en for tier in call.tiers.all()] == ["Starter", "Large"]
    assert actions(call) == [
        "call.created",
        "call.pools_changed",
        "call.tiers_changed",
        "call.criteria_changed",
        "call.published",
    ]


def test_it_is_published_by_itself_at_the_moment_set(oh, unpublished):
    moment = NOW + timedelta(days=2)
    call = call_publish(call=unpublished, moment=moment, by=oh, at=NOW)
    assert call.stage(NOW) == Call.Stage.DRAFT
    assert call.stage(moment) == Call.Stage.OPEN
    assert not Call.objects.published(NOW).exists()
    with pytest.raises(LostRace):
        call_publish(call=call, moment=NOW, by=oh, at=NOW)


def test_what_closes_before_it_is_published_or_has_closed_is_not_published(oh, unpublished):
    with pytest.raises(Refused):
        call_publish(call=unpublished, moment=unpublished.closes_at, by=oh, at=NOW)
    closed = CallFactory(published_at=None, closes_at=NOW)
    with pytest.raises(Refused, match="in the past"):
        call_publish(call=closed, moment=NOW, by=oh, at=NOW)


@pytest.mark.parametrize("weights", [(60, 30), (60, 60), (100, 1)])
def test_weights_have_to_add_up(weights, oh, unpublished):
    rows = [replace(MERIT, weight=weights[0]), replace(NEED, weight=weights[1])]
    call_set_criteria(call=unpublished, rows=rows, by=oh, at=NOW)
    with pytest.raises(Refused, match="add up"):
        call_publish(call=unpublished, moment=NOW, by=oh, at=NOW)


def test_criteria_are_needed_only_where_somebody_reviews(oh):
    call = CallFactory(published_at=None, criteria=False, tiers=False)
    TierFactory(call=call, route=Tier.Route.TECHNICAL)
    assert not problems_before_publishing(call, NOW)
    TierFactory(call=call, upto_gpu_seconds=None, route=Tier.Route.FULL)
    assert [problem.part for problem in problems_before_publishing(call, NOW)] == ["criteria"]


def test_a_published_call_stays_whole(oh, call):
    with pytest.raises(Refused):
        call_set_offer(call=call, offer=CallOffer({}), by=oh, at=NOW)
    with pytest.raises(Refused):
        call_set_criteria(call=call, rows=[MERIT], by=oh, at=NOW)
    with pytest.raises(Refused):
        call_change(call=call, basics=replace(basics_of(call), text_ko=" "), by=oh, at=NOW)
    call.refresh_from_db()
    assert call.offers.count() == 2
    assert call.criteria.count() == 2
    assert actions(call) == []


def test_two_sizes_that_reach_as_far_are_refused(oh, unpublished):
    with pytest.raises(Refused):
        call_set_tiers(call=unpublished, rows=[LARGE, replace(LARGE, name_en="Other")], by=oh, at=NOW)


def test_it_is_taken_back_only_while_nobody_has_begun(oh, call, draft):
    with pytest.raises(Refused):
        call_take_back(call=call, by=oh, at=NOW)
    draft.delete()
    assert call_take_back(call=call, by=oh, at=NOW).published_at is None
    with pytest.raises(LostRace):
        call_take_back(call=call, by=oh, at=NOW)


def test_only_a_draft_that_nobody_applied_in_is_discarded(oh, call, unpublished, browser):
    client = browser(oh)
    assert client.post(reverse("office_call_discard", args=[call.pk])).url == reverse("office_call", args=[call.pk])
    assert client.get(reverse("office_call_discard", args=[unpublished.pk])).status_code == 200
    assert client.post(reverse("office_call_discard", args=[unpublished.pk])).url == reverse("office_calls")
    assert list(Call.objects.all()) == [call]
    assert actions(unpublished) == ["call.discarded"]


def test_the_deadline_moves_later_but_not_earlier(oh, call, draft):
    later, earlier = call.closes_at + timedelta(days=3), call.closes_at - timedelta(days=3)
    with pytest.raises(Refused, match="not earlier"):
        call_change(call=call, basics=replace(basics_of(call), closes_at=earlier), by=oh, at=NOW)
    moved = call_change(call=call, basics=replace(basics_of(call), closes_at=later), by=oh, at=NOW)
    assert moved.closes_at == later
    event = Event.objects.get(action="call.deadline_moved")
    assert event.data == {"before": "2026-12-20 18:00", "after": "2026-12-23 18:00"}


def test_who_has_a_draft_is_told_once_of_a_moved_deadline(oh, call, draft, charlie):
    latest = ApplicationFactory(call=call, applicant=draft.applicant, status="draft", updated_at=NOW)
    Application.objects.filter(pk=draft.pk).update(updated_at=NOW - timedelta(days=1))
    ApplicationFactory(call=call, applicant=charlie, status="submitted")
    later = call.closes_at + timedelta(days=3)
    call_change(call=call, basics=replace(basics_of(call), closes_at=later), by=oh, at=NOW)
    letter = Mail.objects.get()
    assert (letter.receiver, letter.kind) == (draft.applicant, "step")
    assert letter.link.endswith(f"/applications/{latest.pk}/edit/")
    call_change(call=call, basics=replace(basics_of(call), closes_at=later, title_en="Another"), by=oh, at=NOW)
    assert Mail.objects.count() == 1


def test_the_deadline_of_a_decided_call_stays(oh):
    call = CallFactory(closes_at=kst(2026, 2, 20, 18), decided_at=kst(2026, 3, 1))
    with pytest.raises(Refused):
        call_change(call=call, basics=replace(basics_of(call), closes_at=kst(2026, 4, 1)), by=oh, at=NOW)


@pytest.mark.parametrize(
    "change", [{"track": "firm"}, {"blind": True}, {"threshold_hundredths": 100}, {"opens_at": kst(2026, 2, 3)}]
)
def test_what_people_applied_by_stays(change, oh, call, submitted):
    with pytest.raises(Refused):
        call_change(call=call, basics=replace(basics_of(call), **change), by=oh, at=NOW)


def test_sizes_and_fields_are_locked_once_somebody_has_applied(oh, call, submitted):
    with pytest.raises(Refused):
        call_set_tiers(call=call, rows=[STARTER, LARGE], by=oh, at=NOW)
    with pytest.raises(Refused):
        call_set_fields(call=call, levels={"keywords": "hidden"}, by=oh, at=NOW)
    assert actions(call) == []


def test_hours_and_limits_are_raised_but_not_lowered(oh, call, submitted):
    h100, a100 = (offer.pool for offer in call.offers.all())
    call_set_offer(call=CallFactory(), offer=CallOffer({h100: 5}), by=oh, at=NOW)
    for less in ({h100: None}, {h100: None, a100: 1000 * HOUR}):
        with pytest.raises(Refused):
            call_set_offer(call=call, offer=CallOffer(less), by=oh, at=NOW)
    with pytest.raises(Refused):
        call_set_offer(call=call, offer=CallOffer({h100: None, a100: None}, most_per_person=HOUR), by=oh, at=NOW)
    more = {h100: None, a100: None, PoolFactory(code="b200", position=2): 10 * HOUR}
    call_set_offer(call=call, offer=CallOffer(more), by=oh, at=NOW)
    assert call.offers.count() == 3


def test_words_of_criteria_are_mended_until_reviews_are_assigned(oh, call, submitted):
    rows = [CriterionRow("과제 우수성", "Merit of the project", 60), CriterionRow("자원 필요성", "Need", 40)]
    call_set_criteria(call=call, rows=rows, by=oh, at=NOW)
    with pytest.raises(Refused, match="weights"):
        call_set_criteria(call=call, rows=[replace(rows[0], weight=70), replace(rows[1], weight=30)], by=oh, at=NOW)
    ReviewFactory(application=submitted, submitted_at=None, score=0)
    with pytest.raises(Refused, match="Reviews are assigned"):
        call_set_criteria(call=call, rows=[replace(rows[0], name_en="Merit"), rows[1]], by=oh, at=NOW)


def test_a_clone_has_everything_but_dates_and_applications(oh, call, submitted):
    call.field_levels = {"keywords": "optional"}
    call.blind = True
    call.save()
    file = ContentFile(b"%PDF-1.7 guide", name="guide.pdf")
    guide = {"title_ko": "안내서", "title_en": "Guide", "name": "guide.pdf", "content_type": "application/pdf"}
    document = call_add_document(call=call, file=file, **guide, by=oh, at=NOW)
    window = {"opens_at": kst(2027, 1, 4, 9), "closes_at": kst(2027, 2, 1, 18)}
    clone = call_clone(call=call, title_ko="2027년", title_en="2027", **window, by=oh, at=NOW)
    assert (clone.published_at, clone.blind, clone.field_levels) == (None, True, {"keywords": "optional"})
    assert clone.applications.count() == 0
    for part in ("offers", "tiers", "criteria"):
        assert getattr(clone, part).count() == getattr(call, part).count() > 0
    copy = clone.documents.get()
    assert copy.file.name != document.file.name
    assert copy.file.read() == b"%PDF-1.7 guide"
    assert call.documents.count() == 1


def test_only_the_office_writes_and_nobody_where_they_applied(alice, oh, call):
    with pytest.raises(Refused):
        call_create(basics=BASICS, by=alice, at=NOW)
    ApplicationFactory(call=call, applicant=oh)
    with pytest.raises(Refused, match="colleague"):
        call_set_fields(call=call, levels={}, by=oh, at=NOW)


def test_a_removed_document_takes_its_file_along(oh, unpublished, django_capture_on_commit_callbacks):
    document = call_add_document(
        call=unpublished,
        title_ko="서식",
        title_en="Form",
        file=ContentFile(b"%PDF-1.7", name="form.pdf"),
        name="form.pdf",
        content_type="application/pdf",
        by=oh,
        at=NOW,
    )
    storage, name = document.file.storage, document.file.name
    with django_capture_on_commit_callbacks(execute=True):
        call_remove_document(document=document, by=oh, at=NOW)
    assert not storage.exists(name)
    assert actions(unpublished) == ["call.document_added", "call.document_removed"]


# --- the pages ---


def sent(call: Call, **changes: str) -> dict[str, str]:
    """The basics form of a call as a browser sends it."""
    values = {
        "title_ko": call.title_ko,
        "title_en": call.title_en,
        "text_ko": call.text_ko,
        "text_en": call.text_en,
        "track": call.track,
        "programme": "",
        "threshold": "3.00",
        "opens_on": "2026-02-02",
        "opens_time": "00:00",
        "closes_on": "2026-12-20",
        "closes_time": "18:00",
    }
    days = ["check", "correction", "technical", "reviews", "decision", "acceptance"]
    return {**values, **{f"days_for_{name}": "5" for name in days}, **changes}


def test_a_new_call_is_written_in_seoul_time(oh, browser):
    client = browser(oh)
    page = client.get(reverse("office_call_new")).content.decode()
    assert 'value="18:00"' in page
    response = client.post(
        reverse("office_call_new"), sent(Call(title_ko="새 공고", title_en="New"), closes_on="2026-06-30")
    )
    call = Call.objects.get()
    assert response.url == reverse("office_call", args=[call.pk])
    assert call.closes_at == kst(2026, 6, 30, 18)
    overview = client.get(response.url).content.decode()
    assert "Still missing" in overview
    assert reverse("office_call_pools", args=[call.pk]) in overview
    assert reverse("office_call_publish", args=[call.pk]) not in overview


def test_every_problem_of_a_form_is_said_at_once(oh, browser):
    response = browser(oh).post(
        reverse("office_call_new"),
        sent(Call(title_ko="새 공고", title_en="New"), title_ko="", closes_on="2026-02-01", days_for_check="0"),
    )
    page = response.content.decode()
    assert response.status_code == 200
    assert "There are 3 problems" in page
    assert not Call.objects.exists()


def test_the_parts_are_stored_on_their_pages(oh, unpublished, browser):
    client = browser(oh)
    pool = unpublished.offers.get().pool
    post = {f"offer_{pool.code}": "on", f"hours_{pool.code}": "1,500", "most_per_person": "200"}
    assert client.post(reverse("office_call_pools", args=[unpublished.pk]), post).status_code == 302
    assert unpublished.offers.get().gpu_seconds == 1500 * HOUR
    sizes = {
        "tiers-TOTAL_FORMS": "2",
        "tiers-INITIAL_FORMS": "1",
        "tiers-0-name_ko": "일반",
        "tiers-0-name_en": "Standard",
        "tiers-0-upto": "",
        "tiers-0-route": "full",
        "tiers-0-reviews_needed": "2",
        "tiers-0-most_days": "366",
        "tiers-1-name_ko": "체험",
        "tiers-1-name_en": "Starter",
        "tiers-1-upto": "100",
        "tiers-1-route": "rule",
        "tiers-1-reviews_needed": "2",
        "tiers-1-most_days": "90",
    }
    assert client.post(reverse("office_call_sizes", args=[unpublished.pk]), sizes).status_code == 302
    tiers = [(tier.name_en, tier.upto_gpu_seconds, tier.reviews_needed) for tier in unpublished.tiers.all()]
    assert tiers == [("Starter", 100 * HOUR, 0), ("Standard", None, 2)]
    criteria = {
        "criteria-TOTAL_FORMS": "3",
        "criteria-INITIAL_FORMS": "2",
        "criteria-0-name_ko": "우수성",
        "criteria-0-name_en": "Merit",
        "criteria-0-weight": "70",
        "criteria-0-ORDER": "2",
        "criteria-0-anchors_ko": "하나\n둘\n셋\n넷\n다섯\n여섯",
        "criteria-1-name_ko": "필요성",
        "criteria-1-name_en": "Need",
        "criteria-1-weight": "30",
        "criteria-1-ORDER": "1",
    }
    assert client.post(reverse("office_call_criteria", args=[unpublished.pk]), criteria).status_code == 302
    rows = list(unpublished.criteria.all())
    assert [(row.position, row.name_en, row.weight) for row in rows] == [(1, "Need", 30), (2, "Merit", 70)]
    assert rows[1].anchors_ko == ["하나", "둘", "셋", "넷", "다섯", "여섯"]
    criteria["criteria-0-anchors_ko"] = "하나\n둘"
    assert "six lines" in client.post(reverse("office_call_criteria", args=[unpublished.pk]), criteria).content.decode()


def test_form_fields_are_chosen_and_only_differences_are_kept(oh, unpublished, browser):
    client = browser(oh)
    address = reverse("office_call_fields", args=[unpublished.pk])
    form = client.get(address).context["form"]
    post = {name: str(field.initial) for name, field in form.fields.items()}
    client.post(address, {**post, "keywords": "hidden"})
    unpublished.refresh_from_db()
    assert unpublished.field_levels == {"keywords": "hidden"}
    assert "title_ko" not in form.fields


def test_a_document_is_taken_by_its_content_and_downloaded_by_everybody(oh, call, browser):
    client = browser(oh)
    address = reverse("office_call_documents", args=[call.pk])
    titles = {"title_ko": "서식", "title_en": "Form"}
    page = client.post(address, {**titles, "file": SimpleUploadedFile("form.pdf", b"MZ not a pdf")}).content.decode()
    assert "by its content" in page
    assert "Choose a file" in client.post(address, titles).content.decode()
    assert client.post(address, {**titles, "file": SimpleUploadedFile("서식.pdf", b"%PDF-1.7")}).status_code == 302
    document = CallDocument.objects.get()
    download = browser().get(reverse("call_document", args=[call.pk, document.pk]))
    assert b"".join(download) == b"%PDF-1.7"
    assert "attachment" in download["Content-Disposition"]
    Call.objects.update(published_at=None)
    assert browser().get(reverse("call_document", args=[call.pk, document.pk])).status_code == 404
    assert client.get(reverse("call_document", args=[call.pk, document.pk])).status_code == 200


def test_a_colleague_who_saved_meanwhile_is_not_overwritten(oh, unpublished, browser):
    client = browser(oh)
    address = reverse("office_call_basics", args=[unpublished.pk])
    seen = client.get(address).context["seen"]
    colleague = UserFactory(roles=["operator"], name_en="Colleague")
    call_change(call=unpublished, basics=replace(basics_of(unpublished), text_en="New"), by=colleague, at=NOW)
    response = client.post(address, {**sent(unpublished, title_en="Mine"), "seen": seen})
    page = response.content.decode()
    assert "Colleague" in page
    assert 'value="Mine"' in page
    unpublished.refresh_from_db()
    assert unpublished.title_en != "Mine"
    assert client.post(address, {**sent(unpublished), "title_en": "Mine", "seen": response.context["seen"]}).url


def test_locked_parts_say_why(oh, call, submitted, browser):
    client = browser(oh)
    for part in ("sizes", "fields"):
        page = client.get(reverse(f"office_call_{part}", args=[call.pk])).content.decode()
        assert "Somebody has applied" in page
        assert ">Save</button>" not in page
    basics = client.get(reverse("office_call_basics", args=[call.pk])).content.decode()
    assert "later, but not earlier" in basics
    post = sent(call, track="firm", closes_on="2026-12-24")
    assert client.post(reverse("office_call_basics", args=[call.pk]), post).status_code == 302
    call.refresh_from_db()
    assert (call.track, call.closes_at) == ("academic", kst(2026, 12, 24, 18))


def test_publishing_previewing_cloning_and_taking_back_by_page(oh, unpublished, browser):
    client = browser(oh)
    preview = client.get(reverse("office_call_preview", args=[unpublished.pk])).content.decode()
    assert "Preview" in preview
    assert unpublished.title_en in preview
    address = reverse("office_call_publish", args=[unpublished.pk])
    assert "Choose the day" in client.post(address, {"when": "later", "moment_time": "09:00"}).content.decode()
    assert client.post(address, {"when": "now"}).status_code == 302
    assert "already" in client.post(address, {"when": "now"}, follow=True).content.decode()
    assert client.post(reverse("office_call_take_back", args=[unpublished.pk])).status_code == 302
    unpublished.refresh_from_db()
    assert unpublished.published_at is None
    window = {"opens_on": "2027-01-04", "opens_time": "09:00", "closes_on": "2027-02-01", "closes_time": "18:00"}
    post = {"title_ko": "다음", "title_en": "Next", **window}
    client.post(reverse("office_call_clone", args=[unpublished.pk]), post)
    assert Call.objects.get(title_en="Next").closes_at == kst(2027, 2, 1, 18)


def test_the_pages_are_for_who_writes_calls(alice, rhee, dana, observer, oh, call, browser):
    names = [
        "basics",
        "pools",
        "sizes",
        "criteria",
        "fields",
        "documents",
        "publish",
        "take_back",
        "discard",
        "clone",
        "preview",
    ]
    addresses = [reverse(f"office_call_{name}", args=[call.pk]) for name in names]
    addresses += [reverse("office_calls"), reverse("office_call_new"), reverse("office_call", args=[call.pk])]
    for address in addresses:
        assert browser(oh).get(address).status_code == 200
        for other in (alice, rhee, dana, observer):
            assert browser(other).get(address).status_code == 403
        assert browser().get(address).status_code == 302


def test_the_desk_opens_what_a_role_may(alice, rhee, dana, oh, browser):
    assert reverse("office_calls") in browser(oh).get(reverse("office")).content.decode()
    decider = browser(dana).get(reverse("office")).content.decode()
    assert reverse("panel") in decider
    assert reverse("office_calls") not in decider
    for nobody in (alice, rhee):
        assert browser(nobody).get(reverse("office")).status_code == 403


def test_the_list_asks_as_often_when_it_is_longer(oh, browser, django_assert_max_num_queries):
    client = browser(oh)
    ApplicationFactory(call=CallFactory())
    with django_assert_max_num_queries(6) as short:
        client.get(reverse("office_calls"))
    for _ in range(3):
        ApplicationFactory(call=CallFactory(published_at=None))
    with django_assert_max_num_queries(len(short)):
        client.get(reverse("office_calls"))
