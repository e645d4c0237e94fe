"""To look up: job rows as Slurm gave them. What needs a decision is decided on the operator's pages."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounting.models import IngestMark, Job, UnreadableJobRow, Verification


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class HeldFilter(admin.SimpleListFilter):
    title = _("held for a decision")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", str(_("Yes")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(held_at__isnull=False) if self.value() else queryset


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["display_id", "account", "user", "state", "gpus", "start", "end", "held_at"]
    list_filter = [HeldFilter, "state"]
    search_fields = ["display_id", "account", "user"]
    show_full_result_count = False


@admin.register(UnreadableJobRow)
class UnreadableJobRowAdmin(ReadOnlyAdmin):
    list_display = ["reason", "first_seen_at", "last_seen_at"]


@admin.register(IngestMark)
class IngestMarkAdmin(ReadOnlyAdmin):
    list_display = ["cluster", "read_until", "last_run_at", "last_error", "queue_read_at"]


@admin.register(Verification)
class VerificationAdmin(ReadOnlyAdmin):
    list_display = ["period_start", "period_end", "at", "compared", "unexplained_gpu_seconds"]
