"""The portal's addresses, with the components page and pages that fail, for tests of the frame alone."""

from django.urls import path

from portal.urls import urlpatterns as portal_urlpatterns
from portal.web.views import components

urlpatterns = [path("components/", components, name="components"), *portal_urlpatterns]
