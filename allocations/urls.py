from django.urls import path

from allocations.views import (
    application_form,
    applications,
    calls,
    invitations,
    mailbox,
    members,
    panel,
    profile,
    projects,
    reviews,
)

urlpatterns = [
    path("calls/", calls.call_list, name="call_list"),
    path("calls/<int:pk>/", calls.call_detail, name="call_detail"),
    path("applications/", applications.application_list, name="application_list"),
    path("applications/new/<int:call_pk>/", applications.application_new, name="application_new"),
    path("applications/<int:pk>/", applications.application_detail, name="application_detail"),
    path("applications/<int:pk>/status/", applications.application_status, name="application_status"),
    path("applications/<int:pk>/edit/", application_form.application_edit, name="application_edit"),
    path("applications/<int:pk>/withdraw/", applications.application_withdraw_page, name="application_withdraw"),
    path("applications/<int:pk>/attachments/<int:attachment_pk>/", applications.attachment, name="attachment"),
    path("reviews/", reviews.queue, name="review_queue"),
    path("reviews/<int:pk>/", reviews.review, name="review"),
    path("panel/", panel.panel, name="panel"),
    path("panel/<int:pk>/", panel.decide, name="decide"),
    path("projects/", projects.project_list, name="project_list"),
    path("projects/<slug:code>/grants/", projects.project_grants, name="project_grants"),
    path("projects/<slug:code>/members/", members.project_members, name="project_members"),
    path("projects/<slug:code>/members/<int:pk>/remove/", members.member_remove_page, name="member_remove"),
    path("projects/<slug:code>/members/<int:pk>/remind/", members.member_remind_page, name="member_remind"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("me/", profile.profile, name="profile"),
    path("me/username/", profile.cluster_username, name="cluster_username"),
    path("demo/mailbox/", mailbox.demo_mailbox, name="demo_mailbox"),
]
