"""Every page of the allocation side by every kind of person: the matrix."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from allocations import urls
from allocations.models import (
    CallDocument,
    ChangeRequest,
    ConsentText,
    DeclaredConflict,
    Programme,
    ReviewerInvitation,
)
from allocations.services.tokens import token_create
from tests.factories import (
    NOW,
    ApplicationFactory,
    CallFactory,
    InvitationFactory,
    MembershipFactory,
    ReviewFactory,
    UserFactory,
)

# The columns: nobody signed in, the applicant and PI, a team member, a stranger, a reviewer, a technical reviewer, a
# decider, an operator, the city's observer. 302 of a person who is signed in is the redirect the page itself makes.
PEOPLE = ["anonymous", "alice", "bob", "charlie", "rhee", "tech", "dana", "oh", "observer"]
NAMES = {str(pattern.name) for pattern in urls.urlpatterns}
MATRIX = {
    #                               -    Ali  Bob  Cha  Rhee Tech Dana Oh   city
    "application_clone":            (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_detail":           (302, 200, 404, 404, 302, 200, 200, 200, 404),
    "application_detail:draft":     (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_edit":             (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "application_edit:draft":       (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "application_fit":              (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_list":             (302, 200, 200, 200, 200, 200, 200, 200, 200),
    "application_new":              (302, 302, 302, 302, 302, 302, 302, 302, 302),
    "application_print":            (302, 200, 404, 404, 404, 200, 200, 200, 404),
    "application_reviewers":        (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "application_status":           (302, 200, 404, 404, 404, 200, 200, 200, 404),
    "application_versions":         (302, 200, 404, 404, 404, 200, 200, 200, 404),
    "application_withdraw":         (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "attachment":                   (302, 200, 404, 404, 200, 200, 200, 200, 404),
    "calculator":                   (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "call_assignment":              (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "call_detail":                  (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "call_document":                (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "call_list":                    (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "change":                       (302, 200, 200, 404, 404, 404, 200, 200, 404),
    "change_new":                   (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "change_queue":                 (302, 403, 403, 403, 403, 403, 200, 403, 403),
    "change_withdraw":              (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "cluster_username":             (302, 302, 302, 302, 302, 302, 302, 302, 302),
    "conflict_remove":              (302, 403, 403, 403, 302, 403, 403, 403, 403),
    "decide":                       (302, 403, 403, 403, 403, 403, 302, 403, 403),
    "default_account":              (302, 302, 302, 302, 302, 302, 302, 302, 302),
    "demo_mailbox":                 (404, 404, 404, 404, 404, 404, 404, 404, 404),
    "final_report":                 (302, 200, 200, 404, 404, 404, 200, 200, 404),
    "grant_resume":                 (302, 403, 403, 403, 403, 403, 403, 302, 403),
    "grant_suspend":                (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "institution_register":         (302, 302, 302, 302, 302, 302, 302, 302, 302),
    "invitation":                   (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "job_script":                   (302, 200, 200, 404, 404, 404, 404, 200, 404),
    "mail_preferences":             (302, 200, 200, 200, 200, 200, 200, 200, 200),
    "member_delegate":              (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "member_remind":                (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "member_remove":                (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "member_stop":                  (302, 200, 404, 404, 404, 404, 404, 200, 404),
    "offer":                        (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "offer_turn_down":              (302, 302, 404, 404, 404, 404, 404, 404, 404),
    "office":                       (302, 403, 403, 403, 403, 200, 200, 200, 403),
    "office_application":           (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_applications":          (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call":                  (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_basics":           (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_clone":            (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_criteria":         (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_discard":          (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_document_remove":  (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_documents":        (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_fields":           (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_new":              (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_pools":            (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_preview":          (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_publish":          (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_sizes":            (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_take_back":        (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_calls":                 (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent":               (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent_new":           (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent_retire":        (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent_write":         (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consents":              (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_pool":                  (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_pools":                 (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_programme":             (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_programme_new":         (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_programmes":            (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_text":                  (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_texts":                 (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "onboarding_step":              (302, 302, 302, 404, 404, 404, 404, 302, 404),
    "panel":                        (302, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_announce":               (302, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_call":                   (302, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_call_csv":               (302, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_proposal":               (302, 403, 403, 403, 403, 403, 200, 403, 403),
    "profile":                      (302, 200, 200, 200, 200, 200, 200, 200, 200),
    "project_changes":              (302, 200, 200, 404, 404, 404, 404, 200, 404),
    "project_list":                 (302, 200, 200, 200, 200, 200, 200, 200, 200),
    "project_members":              (302, 200, 200, 404, 404, 404, 404, 200, 404),
    "project_renew":                (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "project_stop":                 (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "reconsider":                   (405, 405, 405, 405, 405, 405, 405, 405, 405),
    "review":                       (302, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_attachment":            (302, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_pledge":                (302, 403, 403, 403, 302, 403, 403, 403, 403),
    "review_queue":                 (302, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_submit":                (302, 403, 403, 403, 200, 403, 403, 403, 403),
    "reviewer_detail":              (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "reviewer_invitation":          (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "reviewer_invitation_act":      (302, 403, 403, 403, 403, 403, 403, 302, 403),
    "reviewer_list":                (302, 403, 403, 403, 403, 403, 403, 200, 403),
    "reviewer_profile":             (302, 403, 403, 403, 200, 403, 403, 403, 403),
    "session_state":                (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "signed_in_again":              (302, 200, 200, 200, 200, 200, 200, 200, 200),
    "technical_queue":              (302, 403, 403, 403, 403, 200, 403, 403, 403),
    "technical_review":             (302, 403, 403, 403, 403, 200, 403, 403, 403),
    "token_revoke":                 (302, 200, 404, 404, 404, 404, 404, 404, 404),
    "tokens":                       (302, 200, 200, 200, 200, 200, 200, 200, 200),
}  # fmt: skip
# The same by POST: 200 for who gets past the door, whatever the form then says; who is signed out is asked to sign in
# with what they sent kept (401).
POSTS = {
    #                               -    Ali  Bob  Cha  Rhee Tech Dana Oh   city
    "application_clone":            (401, 404, 404, 404, 404, 404, 404, 404, 404),
    "application_detail":           (401, 200, 404, 404, 200, 200, 200, 200, 404),
    "application_detail:draft":     (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_edit":             (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_edit:draft":       (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_fit":              (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "application_list":             (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "application_new":              (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "application_print":            (401, 200, 404, 404, 404, 200, 200, 200, 404),
    "application_reviewers":        (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "application_status":           (401, 200, 404, 404, 404, 200, 200, 200, 404),
    "application_versions":         (401, 200, 404, 404, 404, 200, 200, 200, 404),
    "application_withdraw":         (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "attachment":                   (401, 200, 404, 404, 200, 200, 200, 200, 404),
    "calculator":                   (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "call_assignment":              (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "call_detail":                  (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "call_document":                (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "call_list":                    (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "change":                       (401, 404, 404, 404, 404, 404, 200, 404, 404),
    "change_new":                   (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "change_queue":                 (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "change_withdraw":              (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "cluster_username":             (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "conflict_remove":              (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "decide":                       (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "default_account":              (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "demo_mailbox":                 (404, 404, 404, 404, 404, 404, 404, 404, 404),
    "final_report":                 (401, 200, 200, 404, 404, 404, 200, 200, 404),
    "grant_resume":                 (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "grant_suspend":                (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "institution_register":         (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "invitation":                   (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "job_script":                   (401, 200, 200, 404, 404, 404, 404, 200, 404),
    "mail_preferences":             (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "member_delegate":              (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "member_remind":                (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "member_remove":                (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "member_stop":                  (401, 200, 404, 404, 404, 404, 404, 200, 404),
    "offer":                        (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "offer_turn_down":              (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "office":                       (401, 403, 403, 403, 403, 200, 200, 200, 403),
    "office_application":           (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_applications":          (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call":                  (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_basics":           (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_clone":            (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_criteria":         (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_discard":          (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_document_remove":  (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_documents":        (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_fields":           (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_new":              (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_pools":            (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_preview":          (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_publish":          (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_sizes":            (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_call_take_back":        (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_calls":                 (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent":               (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent_new":           (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent_retire":        (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consent_write":         (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_consents":              (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_pool":                  (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_pools":                 (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_programme":             (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_programme_new":         (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_programmes":            (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_text":                  (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "office_texts":                 (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "onboarding_step":              (401, 404, 404, 404, 404, 404, 404, 404, 404),
    "panel":                        (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_announce":               (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_call":                   (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_call_csv":               (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "panel_proposal":               (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "profile":                      (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "project_changes":              (401, 200, 200, 404, 404, 404, 404, 200, 404),
    "project_list":                 (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "project_members":              (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "project_renew":                (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "project_stop":                 (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "reconsider":                   (401, 403, 403, 403, 403, 403, 200, 403, 403),
    "review":                       (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_attachment":            (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_pledge":                (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_queue":                 (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "review_submit":                (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "reviewer_detail":              (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "reviewer_invitation":          (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "reviewer_invitation_act":      (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "reviewer_list":                (401, 403, 403, 403, 403, 403, 403, 200, 403),
    "reviewer_profile":             (401, 403, 403, 403, 200, 403, 403, 403, 403),
    "session_state":                (401, 200, 200, 200, 200, 200, 200, 200, 200),
    "signed_in_again":              (200, 200, 200, 200, 200, 200, 200, 200, 200),
    "technical_queue":              (401, 403, 403, 403, 403, 200, 403, 403, 403),
    "technical_review":             (401, 403, 403, 403, 403, 200, 403, 403, 403),
    "token_revoke":                 (401, 200, 404, 404, 404, 404, 404, 404, 404),
    "tokens":                       (401, 200, 200, 200, 200, 200, 200, 200, 200),
}  # fmt: skip
AT_THE_DOOR = {401, 403, 404, 405}
PLAIN = {
    "call_list", "application_list", "calculator", "institution_register", "review_queue", "reviewer_profile",
    "review_pledge", "reviewer_list", "technical_queue", "office_applications", "panel", "change_queue",
    "project_list", "profile", "cluster_username", "default_account", "mail_preferences", "tokens", "session_state",
    "signed_in_again", "demo_mailbox", "office", "office_calls", "office_call_new", "office_programmes",
    "office_programme_new", "office_consents", "office_consent_new", "office_texts", "office_pools",
}  # fmt: skip


@pytest.fixture
def addresses(submitted, draft, project, bobs, attach, rhee, alice, oh):
    """One row of everything. Rhee reviews Alice's application and has declared no conflict."""
    ReviewFactory(application=submitted, reviewer=rhee, submitted_at=None)
    attached = attach(submitted)
    call, programme = submitted.call, Programme.objects.create(name_ko="철강", name_en="Steel")
    text = ConsentText.objects.create(
        code="terms", version=1, stage="application", title_ko="약관", title_en="Terms", created_at=NOW
    )
    document = CallDocument.objects.create(
        call=call, title_ko="양식", title_en="Form", file=ContentFile(b"%PDF-1.7", name="x.pdf"), name="x.pdf", size=8,
        content_type="application/pdf",
    )  # fmt: skip
    grant = project.grants.get()
    change = ChangeRequest.objects.create(
        project=project, grant=grant, kind=ChangeRequest.Kind.EXTENSION, until=date(2026, 12, 1), asked_by=alice,
        asked_at=NOW,
    )  # fmt: skip
    invited = ReviewerInvitation.objects.create(email="new@kaist.example", invited_by=oh, invited_at=NOW)
    declared = DeclaredConflict.objects.create(reviewer=rhee, email="spouse@x.example", at=NOW)
    by_call = [name for name in NAMES if name.startswith(("office_call_", "panel_"))] + ["call_detail", "office_call"]
    by_project = ["project_renew", "project_members", "project_changes"]
    by_project += ["project_stop", "onboarding_step", "job_script", "project_start"]
    args = {
        **{name: [call.pk] for name in by_call},
        **{name: [project.code] for name in by_project},
        "call_assignment": [call.pk],
        "call_document": [call.pk, document.pk],
        "office_call_document_remove": [call.pk, document.pk],
        "application_new": [call.pk],
        "application_edit:draft": [draft.pk],
        "application_detail:draft": [draft.pk],
        "attachment": [submitted.pk, attached.pk],
        "review_attachment": [submitted.pk, attached.pk],
        "conflict_remove": [declared.pk],
        "reviewer_invitation": [invited.token],
        "reviewer_invitation_act": [invited.pk],
        "reviewer_detail": [rhee.pk],
        "office_programme": [programme.pk],
        "office_consent": [text.code],
        "office_consent_write": [text.code],
        "office_consent_retire": [text.code],
        "office_text": ["contact"],
        "office_pool": ["h100"],
        "change": [change.pk],
        "change_withdraw": [change.pk],
        "change_new": [project.code, "extension"],
        "final_report": [project.code, grant.pk],
        "grant_suspend": [project.code, grant.pk],
        "grant_resume": [project.code, grant.pk],
        "member_remove": [project.code, bobs.pk],
        "member_stop": [project.code, MembershipFactory(project=project, status="removed").pk],
        "member_remind": [project.code, InvitationFactory(project=project).pk],
        "member_delegate": [project.code, bobs.pk],
        "token_revoke": [token_create(name="script", days=30, by=alice, at=timezone.now())[0].pk],
        "invitation": [InvitationFactory(project=project).token],
    }
    found = [*NAMES, "application_edit:draft", "application_detail:draft"]
    return {
        name: reverse(name.partition(":")[0], args=[] if name in PLAIN else args.get(name, [submitted.pk]))
        for name in found
    }


@pytest.fixture
def cast(alice, bob, charlie, rhee, dana, oh, observer):
    tech = UserFactory(roles=["technical"])
    return dict(zip(PEOPLE, [None, alice, bob, charlie, rhee, tech, dana, oh, observer], strict=True))


def test_the_matrix_names_every_page():
    assert {name.partition(":")[0] for name in MATRIX} == NAMES


@pytest.mark.parametrize("person", PEOPLE)
def test_every_page_by_every_person(person, addresses, cast, browser, settings):
    settings.DEMO = False
    client = browser(cast[person])
    seen = {name: client.get(address).status_code for name, address in addresses.items()}
    assert seen == {name: row[PEOPLE.index(person)] for name, row in MATRIX.items()}


@pytest.mark.parametrize("person", PEOPLE)
def test_every_change_by_every_person(person, addresses, cast, browser, settings):
    settings.DEMO = False
    client = browser(cast[person])
    seen = {}
    for name, address in addresses.items():
        with transaction.atomic():  # each as if the others had not been
            status = client.post(address, {"action": "declare"}).status_code
            transaction.set_rollback(True)
        seen[name] = status if status in AT_THE_DOOR else 200
    assert seen == {name: row[PEOPLE.index(person)] for name, row in POSTS.items()}


def test_who_is_not_signed_in_comes_back_after_signing_in(addresses, browser):
    response = browser().get(addresses["application_list"])
    assert response.url == f"{reverse('account_login')}?next={addresses['application_list']}"


def test_a_reviewer_is_led_to_the_review(submitted, rhee, browser):
    ReviewFactory(application=submitted, reviewer=rhee, declared_at=None, submitted_at=None)
    response = browser(rhee).get(reverse("application_detail", args=[submitted.pk]))
    assert response.url == reverse("review", args=[submitted.pk])


@pytest.mark.parametrize("stake", ["own", "institution", "team"])
def test_nobody_reviews_or_decides_where_they_have_a_stake(stake, call, browser):
    person = UserFactory(roles=["reviewer", "decider"])
    application = ApplicationFactory(call=call, status="panel")
    if stake == "own":
        application.applicant = person
    elif stake == "institution":
        application.institution = person.institution
    else:
        application.proposed_members.create(email=person.email.upper())
    application.save()
    client = browser(person)
    assert client.get(reverse("review", args=[application.pk])).status_code == 404
    assert client.get(reverse("decide", args=[application.pk])).status_code == 403
    assert application.title_en not in client.get(reverse("review_queue")).content.decode()


def test_a_call_that_is_not_published_is_nobodys_page(db, browser):
    call = CallFactory(published_at=None)
    assert browser().get(reverse("call_detail", args=[call.pk])).status_code == 404
