"""Projects after the award."""

from django.urls import URLPattern, path

from allocations.views import changes, invitations, members, onboarding, projects, reports, suspension

urlpatterns: list[URLPattern] = [
    path("projects/", projects.project_list, name="project_list"),
    path("projects/<slug:code>/grants/<int:pk>/suspend/", suspension.suspend, name="grant_suspend"),
    path("projects/<slug:code>/grants/<int:pk>/resume/", suspension.resume, name="grant_resume"),
    path("projects/<slug:code>/stop/", suspension.stop, name="project_stop"),
    path("projects/<slug:code>/renew/", projects.project_renew, name="project_renew"),
    path("projects/<slug:code>/members/", members.project_members, name="project_members"),
    path("projects/<slug:code>/members/<int:pk>/remove/", members.member_remove_page, name="member_remove"),
    path("projects/<slug:code>/members/<int:pk>/stop/", members.member_stop_page, name="member_stop"),
    path("projects/<slug:code>/members/<int:pk>/remind/", members.member_remind_page, name="member_remind"),
    path("projects/<slug:code>/members/<int:pk>/delegate/", members.member_delegate_page, name="member_delegate"),
    path("projects/<slug:code>/changes/", changes.project_changes, name="project_changes"),
    path("projects/<slug:code>/changes/new/<slug:kind>/", changes.change_new, name="change_new"),
    path("projects/<slug:code>/reports/<int:grant_pk>/", reports.final_report, name="final_report"),
    path("projects/<slug:code>/start/steps/", onboarding.onboarding_step, name="onboarding_step"),
    path("projects/<slug:code>/start/job.sh", onboarding.job_script, name="job_script"),
    path("changes/", changes.change_queue, name="change_queue"),
    path("changes/<int:pk>/", changes.change, name="change"),
    path("changes/<int:pk>/withdraw/", changes.change_withdraw_page, name="change_withdraw"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
]
