from django.urls import path

from accounting import caps, onboarding, views

urlpatterns = [
    path("projects/<slug:code>/", views.project, name="project"),
    path("projects/<slug:code>/usage/", views.project_usage_part, name="project_usage"),
    path("projects/<slug:code>/usage.csv", views.project_usage_csv, name="project_usage_csv"),
    path("projects/<slug:code>/start/", onboarding.onboarding, name="onboarding"),
    path("projects/<slug:code>/members/<int:pk>/cap/", caps.member_caps, name="member_caps"),
    path("center/", views.center, name="center"),
]
