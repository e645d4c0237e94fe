from django.urls import path, register_converter

from accounting import caps, ledger_page, onboarding, views
from accounting.refunds import views as refunds
from accounting.statements import views as statements

register_converter(statements.MonthConverter, "month")

urlpatterns = [
    path("projects/<slug:code>/", views.project, name="project"),
    path("projects/<slug:code>/usage/", views.project_usage_part, name="project_usage"),
    path("projects/<slug:code>/usage.csv", views.project_usage_csv, name="project_usage_csv"),
    path("projects/<slug:code>/start/", onboarding.onboarding, name="onboarding"),
    path("projects/<slug:code>/members/<int:pk>/cap/", caps.member_caps, name="member_caps"),
    path("projects/<slug:code>/statements/", statements.statement_list, name="statement_list"),
    path("projects/<slug:code>/statements/<month:month>/", statements.statement, name="statement"),
    path("projects/<slug:code>/statements/<month:month>.csv", statements.statement_csv, name="statement_csv"),
    path("projects/<slug:code>/statements/<month:month>.xlsx", statements.statement_xlsx, name="statement_xlsx"),
    path("projects/<slug:code>/ledger/", ledger_page.ledger, name="ledger"),
    path("projects/<slug:code>/ledger.csv", ledger_page.ledger_csv, name="ledger_csv"),
    path("projects/<slug:code>/refunds/", refunds.refund_list, name="project_refunds"),
    path("projects/<slug:code>/refunds/ask/", refunds.choose, name="refund_choose"),
    path("projects/<slug:code>/refunds/ask/<int:pk>/", refunds.ask, name="refund_ask"),
    path("projects/<slug:code>/refunds/<int:pk>/withdraw/", refunds.withdraw, name="refund_withdraw"),
    path("center/", views.center, name="center"),
]
