"""The applicant's side."""

from django.urls import URLPattern, path

from allocations.views import application_form, applications, calculators, institution

urlpatterns: list[URLPattern] = [
    path("applications/", applications.application_list, name="application_list"),
    path("applications/new/<int:call_pk>/", applications.application_new, name="application_new"),
    path("applications/<int:pk>/", applications.application_detail, name="application_detail"),
    path("applications/<int:pk>/status/", applications.application_status, name="application_status"),
    path("applications/<int:pk>/print/", applications.application_print, name="application_print"),
    path("applications/<int:pk>/versions/", applications.application_versions, name="application_versions"),
    path("applications/<int:pk>/clone/", applications.application_clone, name="application_clone"),
    path("applications/<int:pk>/edit/", application_form.application_edit, name="application_edit"),
    path("applications/<int:pk>/edit/<slug:step>/", application_form.application_edit, name="application_edit"),
    path("applications/<int:pk>/fit/", application_form.application_fit, name="application_fit"),
    path("applications/<int:pk>/withdraw/", applications.application_withdraw_page, name="application_withdraw"),
    path("applications/<int:pk>/attachments/<int:attachment_pk>/", applications.attachment, name="attachment"),
    path("calculator/", calculators.calculator, name="calculator"),
    path("institution/", institution.institution_page, name="institution_register"),
]
