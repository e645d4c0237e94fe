"""Calls: read by everybody; written, cloned and published by the office, with its texts."""

from django.urls import URLPattern, path

from allocations.views import calls, office_call_parts, office_calls, office_texts

urlpatterns: list[URLPattern] = [
    path("calls/", calls.call_list, name="call_list"),
    path("calls/<int:pk>/", calls.call_detail, name="call_detail"),
    path("calls/<int:pk>/documents/<int:document_pk>/", calls.call_document, name="call_document"),
    path("office/", office_calls.office, name="office"),
    path("office/calls/", office_calls.call_list, name="office_calls"),
    path("office/calls/new/", office_calls.call_new, name="office_call_new"),
    path("office/calls/<int:pk>/", office_calls.call_overview, name="office_call"),
    path("office/calls/<int:pk>/basics/", office_call_parts.basics, name="office_call_basics"),
    path("office/calls/<int:pk>/pools/", office_call_parts.pools, name="office_call_pools"),
    path("office/calls/<int:pk>/sizes/", office_call_parts.sizes, name="office_call_sizes"),
    path("office/calls/<int:pk>/criteria/", office_call_parts.criteria, name="office_call_criteria"),
    path("office/calls/<int:pk>/fields/", office_call_parts.fields, name="office_call_fields"),
    path("office/calls/<int:pk>/documents/", office_call_parts.documents, name="office_call_documents"),
    path(
        "office/calls/<int:pk>/documents/<int:document_pk>/remove/",
        office_call_parts.document_remove,
        name="office_call_document_remove",
    ),
    path("office/calls/<int:pk>/publish/", office_calls.publish, name="office_call_publish"),
    path("office/calls/<int:pk>/take-back/", office_calls.take_back, name="office_call_take_back"),
    path("office/calls/<int:pk>/discard/", office_calls.discard, name="office_call_discard"),
    path("office/calls/<int:pk>/clone/", office_calls.clone, name="office_call_clone"),
    path("office/calls/<int:pk>/preview/", office_calls.preview, name="office_call_preview"),
    path("office/programmes/", office_texts.programmes, name="office_programmes"),
    path("office/programmes/new/", office_texts.programme, name="office_programme_new"),
    path("office/programmes/<int:pk>/", office_texts.programme, name="office_programme"),
    path("office/consents/", office_texts.consents, name="office_consents"),
    path("office/consents/new/", office_texts.consent_write, name="office_consent_new"),
    path("office/consents/<slug:code>/", office_texts.consent, name="office_consent"),
    path("office/consents/<slug:code>/write/", office_texts.consent_write, name="office_consent_write"),
    path("office/consents/<slug:code>/retire/", office_texts.consent_retire, name="office_consent_retire"),
    path("office/texts/", office_texts.center_texts, name="office_texts"),
    path("office/texts/<slug:code>/", office_texts.center_text_edit, name="office_text"),
    path("office/pools/", office_texts.pools, name="office_pools"),
    path("office/pools/<slug:code>/", office_texts.pool, name="office_pool"),
]
