"""Every address of the portal, by app. Allauth lives below /auth/, because "accounts" is Slurm's word."""

from django.contrib import admin
from django.urls import include, path

from portal import views
from portal.web import themes
from portal.web.views import components

urlpatterns = [
    path("", views.home, name="home"),
    path("language/", views.language, name="set_language"),
    path("theme/", themes.choose, name="set_theme"),
    path("auth/", include("allauth.urls")),
    path("", include("allocations.urls")),
    path("", include("accounting.urls")),
    path("operations/", include("portal.operations.urls")),
    path("components/", components, name="components"),
    path("admin/", admin.site.urls),
]
