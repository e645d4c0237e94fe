from allocations.urls import applications, calls, me, office, panel, projects, reviews

urlpatterns = [
    *calls.urlpatterns,
    *applications.urlpatterns,
    *office.urlpatterns,
    *reviews.urlpatterns,
    *panel.urlpatterns,
    *projects.urlpatterns,
    *me.urlpatterns,
]
