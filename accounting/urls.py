from django.urls import path, register_converter

from accounting import caps, ledger_page, onboarding, views
from accounting.alerts import views as alerts
from accounting.api import pages as api
from accounting.api import v1
from accounting.center import page as center
from accounting.dashboard import jobs_page, use_page
from accounting.refunds import views as refunds
from accounting.report import public
from accounting.report import views as report
from accounting.statements import views as statements

register_converter(statements.MonthConverter, "month")
register_converter(report.PeriodConverter, "period")

urlpatterns = [
    path("projects/<slug:code>/", views.project, name="project"),
    path("projects/<slug:code>/usage/", views.project_usage_part, name="project_usage"),
    path("projects/<slug:code>/course/<slug:pool>.csv", views.project_course_csv, name="project_course_csv"),
    path("projects/<slug:code>/usage.csv", use_page.usage_file, name="project_usage_csv"),
    path("projects/<slug:code>/use/", use_page.use, name="project_use"),
    path("projects/<slug:code>/use/waits/", use_page.use_waits, name="project_use_waits"),
    path("projects/<slug:code>/use/<slug:table>.csv", use_page.use_csv, name="project_use_csv"),
    path("projects/<slug:code>/jobs/", jobs_page.jobs, name="project_jobs"),
    path("projects/<slug:code>/jobs.csv", jobs_page.jobs_file, name="project_jobs_csv"),
    path("projects/<slug:code>/jobs/<int:pk>/", jobs_page.job, name="project_job"),
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
    path("projects/<slug:code>/alerts/", alerts.alert_list, name="project_alerts"),
    path("projects/<slug:code>/alerts/own/", alerts.own_thresholds, name="own_thresholds"),
    path("projects/<slug:code>/alerts/project/", alerts.project_thresholds, name="project_thresholds"),
    path("projects/<slug:code>/alerts/<int:pk>/hide/", alerts.hide, name="project_alert_hide"),
    path("center/", center.center, name="center"),
    path("center/<slug:table>.csv", center.center_csv, name="center_csv"),
    path("reports/", report.report_list, name="report_list"),
    path("reports/targets/<int:year>/", report.targets, name="report_targets"),
    path("reports/<period:period>/", report.report, name="report"),
    path("reports/<period:period>.csv", report.report_csv, name="report_csv"),
    path("reports/<period:period>.xlsx", report.report_xlsx, name="report_xlsx"),
    path("reports/<period:period>/freeze/", report.freeze, name="report_freeze"),
    path("statistics/", public.statistics, name="statistics"),
    path("statistics.csv", public.statistics_csv, name="statistics_csv"),
    path("api/", api.api_page, name="api"),
    path("api/v1/", v1.urls()),
    path("gpuh", api.gpuh, name="gpuh"),
]
