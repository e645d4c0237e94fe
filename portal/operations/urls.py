from django.urls import path

from portal.operations import views

urlpatterns = [
    path("", views.operations, name="operations"),
    path("writing/", views.writing, name="operations_writing"),
    path("pausing/", views.pausing, name="operations_pausing"),
]
