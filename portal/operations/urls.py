from django.urls import path

from portal.operations import accounts, counters, drift, overruns, page, people, switches

urlpatterns = [
    path("", page.operations, name="operations"),
    path("writing/", switches.writing, name="operations_writing"),
    path("pausing/", switches.pausing, name="operations_pausing"),
    path("repairs/", switches.repairs, name="operations_repairs"),
    path("backup/", switches.backup, name="operations_backup"),
    path("drift/", drift.drift_list, name="operations_drift"),
    path("drift/<int:pk>/repair/", drift.repair, name="operations_drift_repair"),
    path("drift/<int:pk>/adopt/", drift.adopt, name="operations_drift_adopt"),
    path("counters/", counters.counter_list, name="operations_counters"),
    path("counters/<int:pk>/rebase/", counters.rebase, name="operations_rebase"),
    path("counters/<int:pk>/noted/", counters.noted, name="operations_noted"),
    path("people/", people.people, name="operations_people"),
    path("people/approve/", people.people_approve, name="operations_people_approve"),
    path("people/<int:pk>/refuse/", people.people_refuse, name="operations_people_refuse"),
    path("accounts/", accounts.account_list, name="operations_accounts"),
    path("accounts/<slug:name>/link/", accounts.link, name="operations_account_link"),
    path("accounts/<int:pk>/unlink/", accounts.unlink, name="operations_account_unlink"),
    path("accounts/<int:pk>/hand-over/", accounts.hand_over, name="operations_account_hand_over"),
    path("overruns/", overruns.overrun_list, name="operations_overruns"),
    path("overruns/<int:pk>/write-off/", overruns.write_off, name="operations_write_off"),
]
