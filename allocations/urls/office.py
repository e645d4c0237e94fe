"""The office's side: eligibility, technical review, what is late."""

from django.urls import URLPattern, path

from allocations.views import office, technical

urlpatterns: list[URLPattern] = [
    path("office/applications/", office.application_list, name="office_applications"),
    path("office/applications/<int:pk>/", office.application, name="office_application"),
    path("technical/", technical.queue, name="technical_queue"),
    path("technical/<int:pk>/", technical.technical_review, name="technical_review"),
]
