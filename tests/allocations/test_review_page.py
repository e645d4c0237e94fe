"""A reviewer's evening on the portal's pages: declaration, proposal beside the form, last look; what blind means."""

from __future__ import annotations

import json

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from allocations.models import (
    Attachment,
    ConsentText,
    FirmDetails,
    RelatedGrant,
    Review,
    TechnicalLine,
    TechnicalReview,
)
from allocations.services.assignment import reviews_assign_missing
from allocations.services.reviews import review_prolong, review_release
from allocations.workflow import ApplicationStatus
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    GrantFactory,
    ProjectFactory,
    ProposedMemberFactory,
    ReviewFactory,
    UserFactory,
    kst,
)


@pytest.fixture
def assigned(submitted, rhee):
    return ReviewFactory(application=submitted, reviewer=rhee, declared_at=None, submitted_at=None)


@pytest.fixture
def address(submitted):
    return reverse("review", args=[submitted.pk])


@pytest.fixture
def written(call):
    return {f"score_{criterion.pk}": 4 for criterion in call.criteria.all()} | {
        "revision": "0",
        "recommended_hours": "800.5",
        "comment_to_applicant": "Well planned.",
        "comment_to_panel": "Fund it.",
    }


def test_the_proposal_opens_only_after_the_declaration(assigned, submitted, rhee, browser, attach, address):
    attached = attach(submitted)
    download = reverse("review_attachment", args=[submitted.pk, attached.pk])
    elsewhere = reverse("attachment", args=[submitted.pk, attached.pk])
    client = browser(rhee)
    before = client.get(address).content.decode()
    assert "I have no conflict" in before
    assert submitted.purpose not in before
    assert submitted.summary not in before
    assert [client.get(file).status_code for file in (download, elsewhere)] == [404, 404]
    after = client.post(address, {"action": "declare"}, follow=True).content.decode()
    assert submitted.purpose in after
    assert [client.get(file).status_code for file in (download, elsewhere)] == [200, 200]
    assigned.refresh_from_db()
    assert assigned.declared_at == NOW


def test_looking_and_saving_declare_nothing(assigned, rhee, browser, address, written):
    browser(rhee).get(address)
    browser(rhee).post(address, written | {"action": "save"})
    assigned.refresh_from_db()
    assert (assigned.declared_at, assigned.comment_to_panel) == (None, "선정을 권합니다.")


def test_a_conflict_needs_a_sentence_and_closes_the_page(assigned, submitted, rhee, browser, address):
    client = browser(rhee)
    assert "Say in a sentence what the conflict is." in client.post(address, {"action": "conflict"}).content.decode()
    page = client.post(address, {"action": "conflict", "conflict_reason": "My student."}, follow=True).content.decode()
    assert "Somebody else is asked" in page
    assert submitted.title_en not in page
    assert "no longer asked of you" in client.get(address, follow=True).content.decode()


def test_the_years_pledge_comes_first_and_leads_on(assigned, submitted, rhee, browser, address):
    ConsentText.objects.create(
        code="pledge",
        version=1,
        stage="reviewer",
        title_ko="서약",
        title_en="Pledge",
        text_en="Secret.",
        created_at=NOW,
    )
    client = browser(rhee)
    pledge = client.get(address).url
    assert "Secret." in client.get(pledge).content.decode()
    assert "only to who agrees" in client.post(pledge).content.decode()
    text = ConsentText.objects.get()
    assert client.post(pledge, {f"text_{text.pk}": "on"}).url == address
    assert "I have no conflict" in client.get(address).content.decode()
    assert client.get(f"{reverse('review_pledge')}?next=https://elsewhere.example/").url == reverse("review_queue")


def test_a_review_is_saved_half_done_and_gone_on_with(review, rhee, browser, call, address):
    criterion = call.criteria.first()
    client = browser(rhee)
    half = {"action": "save", "revision": "0", f"score_{criterion.pk}": "0", "comment_to_panel": "Later."}
    client.post(address, half)
    review.refresh_from_db()
    assert [(row.criterion, row.value) for row in review.scores.all()] == [(criterion, 0)]
    assert (review.comment_to_panel, review.recommended_gpu_seconds, review.submitted_at) == ("Later.", None, None)
    page = client.get(address).content.decode()
    assert "Later." in page
    assert "1 of 2 scored" in page


def test_it_saves_by_itself_what_is_valid_and_says_how_far_it_is(review, rhee, browser, address, written):
    client = browser(rhee)
    saving = {"headers": {"X-Requested-With": "autosave"}}
    answer = client.post(address, written | {"action": "autosave", "recommended_hours": "many"}, **saving)
    told = json.loads(answer.content)
    assert (told["revision"], told["meter"], told["problems"]) == (1, 100, 1)
    assert "2 of 2 scored" in told["message"]
    review.refresh_from_db()
    assert (review.comment_to_panel, review.recommended_gpu_seconds) == ("Fund it.", 800 * HOUR)
    stale = client.post(address, written | {"action": "autosave"}, **saving)
    assert stale.status_code == 409
    assert "another window" in json.loads(stale.content)["message"]


def test_a_second_window_overwrites_nothing_and_loses_nothing(review, rhee, browser, address, written):
    client = browser(rhee)
    client.post(address, written | {"action": "save"})
    second = client.post(address, written | {"action": "save", "comment_to_panel": "From the other window."})
    assert second.status_code == 409
    assert "From the other window." in second.content.decode()
    review.refresh_from_db()
    assert review.comment_to_panel == "Fund it."


def test_submitting_names_everything_that_is_missing(review, rhee, browser, call, address):
    page = browser(rhee).post(address, {"action": "submit", "revision": "0"}).content.decode()
    review.refresh_from_db()
    assert review.submitted_at is None
    for criterion in call.criteria.all():
        assert f'href="#id_score_{criterion.pk}_0"' in page
    assert 'href="#id_recommended_hours"' in page
    assert 'href="#id_comment_to_applicant"' in page


def test_more_than_is_requested_is_not_recommended(review, rhee, browser, address, written):
    page = browser(rhee).post(address, written | {"action": "submit", "recommended_hours": "961"}).content.decode()
    assert "Recommend no more than what is requested." in page


def test_a_review_is_looked_at_once_more_and_then_read_only(review, submitted, rhee, browser, address, written):
    client = browser(rhee)
    last_look = client.post(address, written | {"action": "submit"}).url
    assert last_look == reverse("review_submit", args=[submitted.pk])
    assert "cannot be changed" in client.get(last_look).content.decode()
    review.refresh_from_db()
    assert review.submitted_at is None
    assert client.post(last_look, {"revision": "0"}).url == address
    assert client.post(last_look, {"revision": "1"}).url == reverse("review_queue")
    review.refresh_from_db()
    assert (review.submitted_at, review.recommended_gpu_seconds) == (NOW, 800 * HOUR + HOUR // 2)
    page = client.get(address).content.decode()
    assert "data-autosave" not in page
    assert "Well planned." in page
    assert client.post(last_look, {"revision": "1"}).url == address

    late = client.post(address, written | {"action": "save", "revision": "1", "comment_to_panel": "Changed my mind."})
    review.refresh_from_db()
    assert late.status_code == 409
    assert "submitted already" in late.content.decode()
    assert review.comment_to_panel == "Fund it."


def test_an_unfinished_review_has_no_last_look(review, submitted, rhee, browser, address):
    Review.objects.filter(pk=review.pk).update(comment_to_applicant="")
    assert browser(rhee).get(reverse("review_submit", args=[submitted.pk])).url == address


def test_after_the_decision_the_text_is_not_lost(review, rhee, browser, address, written):
    review.application.status = ApplicationStatus.DECLINED
    review.application.save()
    response = browser(rhee).post(address, written | {"action": "submit"})
    assert response.status_code == 409
    assert "no longer under review. It stands at: Not selected." in response.content.decode()


def test_others_reviews_show_without_names_once_the_own_one_is_in(review, submitted, rhee, browser, address):
    colleague = UserFactory(roles=["reviewer"], name_en="Nosy Colleague")
    ReviewFactory(application=submitted, reviewer=colleague, comment_to_panel="An entirely different view.")
    client = browser(rhee)
    assert "An entirely different view." not in client.get(address).content.decode()
    Review.objects.filter(pk=review.pk).update(submitted_at=NOW)
    page = client.get(address).content.decode()
    assert "An entirely different view." in page
    assert "Nosy Colleague" not in page


def test_the_criterions_own_anchors_stand_where_it_has_any(review, rhee, browser, address, call):
    criterion = call.criteria.first()
    criterion.anchors_en = ["useless", "", "", "", "", "changes the field"]
    criterion.save()
    page = browser(rhee).get(address).content.decode()
    assert "5 changes the field" in page
    assert "0 useless" in page
    assert "4 very good" in page


def test_technical_review_and_past_use_stand_beside_the_form(review, submitted, alice, rhee, browser, address):
    technical = TechnicalReview.objects.create(
        application=submitted, reviewer=UserFactory(), verdict="changes", started_at=NOW, submitted_at=NOW,
        comment_to_panel="Half is enough.",
    )  # fmt: skip
    TechnicalLine.objects.create(review=technical, pool=submitted.lines.get().pool, recommended_gpu_seconds=500 * HOUR)
    grant = GrantFactory(project=ProjectFactory(pi=alice, title_en="Earlier project"), hours=1000)
    grant.lines.update(charged_gpu_seconds=250 * HOUR)
    page = browser(rhee).get(address).content.decode()
    for text in ("Half is enough.", "500 GPU-hours recommended", "Earlier project", "1,000", "250", "25 %"):
        assert text in page


def test_only_the_reviewer_it_was_asked_of_sees_the_page(review, address, browser, submitted):
    colleague = UserFactory(roles=["reviewer"])
    assert browser(colleague).get(address).status_code == 404
    assert browser(colleague).get(reverse("review_submit", args=[submitted.pk])).status_code == 404


def test_the_page_takes_a_bounded_number_of_queries(
    review, submitted, rhee, browser, address, django_assert_max_num_queries
):
    for _n in range(5):
        ReviewFactory(application=submitted)
        GrantFactory(project=ProjectFactory(pi=submitted.applicant))
        RelatedGrant.objects.create(application=submitted, number=f"RS-{_n}")
    client = browser(rhee)
    with django_assert_max_num_queries(30):
        client.get(address)


@pytest.fixture
def blind(rhee):
    """Everything about it that could tell who applies, with words that stand nowhere else."""
    applicant = UserFactory(email="haneul@secret.example", name_ko="은하늘", name_en="Haneul Eun")
    applicant.institution.name_ko, applicant.institution.name_en = "감춘대학교", "Secret University"
    applicant.institution.save()
    application = ApplicationFactory(
        call=CallFactory(blind=True, track="firm"), applicant=applicant, delegate_name="은대리",
        delegate_email="delegate@secret.example",
        answers={"other_allocations": "at Secret Center", "excluded_reviewers": "Grumpy Judge",
                 "suggested_reviewers": "Kind Judge", "background": "Prior art."},
    )  # fmt: skip
    ProposedMemberFactory(application=application, email="member@secret.example", name="은동료")
    RelatedGrant.objects.create(application=application, number="SECRET-1", agency="감춘재단", title="감춘 과제")
    FirmDetails.objects.create(
        application=application, business_number="1248100998", representative="은대표", product="감춘강판"
    )
    for name, is_blind in [("은하늘_계획서.pdf", False), ("은하늘_블라인드.pdf", True)]:
        Attachment.objects.create(
            application=application, file=ContentFile(b"%PDF-1.7", name="x.pdf"), name=name, size=8,
            content_type="application/pdf", blind=is_blind, uploaded_at=NOW,
        )  # fmt: skip
    technical = TechnicalReview.objects.create(
        application=application, reviewer=UserFactory(), verdict="feasible", started_at=NOW, submitted_at=NOW,
        comment_to_panel="Secret University can do this.",
    )  # fmt: skip
    TechnicalLine.objects.create(review=technical, pool=application.lines.get().pool, recommended_gpu_seconds=HOUR)
    grant = GrantFactory(project=ProjectFactory(pi=applicant, title_ko="감춘 선행", title_en="Secret forerunner"))
    grant.lines.update(charged_gpu_seconds=100 * HOUR)
    return application


SECRETS = ["은하늘", "haneul", "은대리", "은동료", "은대표", "secret", "감춘", "124-81-00998", "1248100998", "judge"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_nothing_a_reviewer_gets_of_a_blind_call_tells_who_applies(
    blind, rhee, oh, browser, language, mailoutbox, django_capture_on_commit_callbacks
):
    rhee.language = language
    rhee.save()
    client = browser(rhee, language)
    seen = {}

    def read(name, path):
        response = client.get(path, follow=True)
        content = b"".join(response.streaming_content) if response.streaming else response.content
        seen[name] = content.decode() + str(response.headers) + str(response.redirect_chain)

    def read_all(moment):
        names = ["review", "review_submit", "application_detail", "application_status", "application_edit"]
        names += ["application_print", "application_versions", "application_clone", "offer"]
        for name in names:
            read(f"{name} {moment}", reverse(name, args=[blind.pk]))
        for name in ("home", "review_queue", "application_list"):
            read(f"{name} {moment}", reverse(name))
        for file in blind.attachments.all():
            read(f"attachment {moment} {file.blind}", reverse("attachment", args=[blind.pk, file.pk]))
            read(f"own attachment {moment} {file.blind}", reverse("review_attachment", args=[blind.pk, file.pk]))

    with django_capture_on_commit_callbacks(execute=True):
        [review] = reviews_assign_missing(application=blind, at=NOW)
    read_all("assigned")
    client.post(reverse("review", args=[blind.pk]), {"action": "declare"})
    read_all("declared")
    assert "Prior art." in seen["review declared"]
    criteria = {f"score_{row.pk}": 3 for row in blind.call.criteria.all()}
    text = {"recommended_hours": "1", "comment_to_applicant": "Good.", "revision": "0", "action": "submit"}
    client.post(reverse("review", args=[blind.pk]), criteria | text)
    read_all("written")
    with django_capture_on_commit_callbacks(execute=True):
        review_prolong(review=review, due_at=kst(2026, 4, 1), by=oh, at=NOW)
    Review.objects.filter(pk=review.pk).update(submitted_at=NOW)
    read_all("submitted")
    Review.objects.filter(pk=review.pk).update(submitted_at=None)
    with django_capture_on_commit_callbacks(execute=True):
        review_release(review=review, by=oh, at=NOW)
    read_all("released")
    for number, mail in enumerate(mailoutbox):
        seen[f"mail {number}"] = f"{mail.subject} {mail.body} {mail.extra_headers}"

    assert len(mailoutbox) == 3
    found = {
        (name, secret)
        for name, text in seen.items()
        for secret in SECRETS
        if secret.lower() in text.lower().replace("csrfmiddlewaretoken", "")
    }
    assert found == set()


def test_a_blind_copy_is_downloaded_under_a_number(blind, rhee, browser):
    ReviewFactory(application=blind, reviewer=rhee, submitted_at=None)
    named, copy = blind.attachments.all()
    client = browser(rhee)
    response = client.get(reverse("review_attachment", args=[blind.pk, copy.pk]))
    assert response.headers["Content-Disposition"] == 'attachment; filename="Attachment 1.pdf"'
    assert client.get(reverse("review_attachment", args=[blind.pk, named.pk])).status_code == 404


def test_the_institution_counts_on_a_blind_call_too(blind):
    near = UserFactory(roles=["reviewer"], institution=blind.institution)
    assert near not in [review.reviewer for review in reviews_assign_missing(application=blind, at=NOW)]
