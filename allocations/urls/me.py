"""A person's own pages, what their browser asks while they write, and the mailbox of the demo."""

from django.urls import URLPattern, path

from allocations.views import mailbox, mails, profile, tokens
from portal.web import session

urlpatterns: list[URLPattern] = [
    path("me/", profile.profile, name="profile"),
    path("me/username/", profile.cluster_username, name="cluster_username"),
    path("me/default-account/", profile.default_account, name="default_account"),
    path("me/mails/", mails.mail_preferences, name="mail_preferences"),
    path("me/tokens/", tokens.tokens, name="tokens"),
    path("me/tokens/<int:pk>/revoke/", tokens.token_revoking, name="token_revoke"),
    path("me/session/", session.session_state, name="session_state"),
    path("me/signed-in/", session.signed_in_again, name="signed_in_again"),
    path("demo/mailbox/", mailbox.demo_mailbox, name="demo_mailbox"),
]
