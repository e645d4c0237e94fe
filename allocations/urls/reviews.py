"""Reviewers, their assignments and reviews."""

from django.urls import URLPattern, path

from allocations.views import assignment, reviewers, reviews

urlpatterns: list[URLPattern] = [
    path("reviews/", reviews.queue, name="review_queue"),
    path("reviews/profile/", reviewers.profile, name="reviewer_profile"),
    path("reviews/profile/conflicts/<int:pk>/remove/", reviewers.conflict_remove_page, name="conflict_remove"),
    path("reviews/pledge/", reviews.pledge, name="review_pledge"),
    path("reviews/<int:pk>/", reviews.review, name="review"),
    path("reviews/<int:pk>/submit/", reviews.submit, name="review_submit"),
    path("reviews/<int:pk>/attachments/<int:attachment_pk>/", reviews.attachment, name="review_attachment"),
    path("reviewer-invitations/<str:token>/", reviewers.invitation, name="reviewer_invitation"),
    path("office/reviewers/", reviewers.reviewer_list, name="reviewer_list"),
    path("office/reviewers/<int:pk>/", reviewers.reviewer_detail, name="reviewer_detail"),
    path("office/reviewers/invitations/<int:pk>/", reviewers.invitation_act, name="reviewer_invitation_act"),
    path("office/calls/<int:pk>/assignment/", assignment.call_assignment, name="call_assignment"),
    path("office/applications/<int:pk>/reviewers/", assignment.application_reviewers, name="application_reviewers"),
]
