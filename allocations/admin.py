"""What operators set up until it has pages of its own: calls with their criteria, and pools.

Applications, decisions, grants and the ledger are shown as they are: their acts happen on the portal's pages only.
"""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from allocations import models


class CriterionInline(admin.TabularInline):
    model = models.Criterion
    extra = 0


@admin.register(models.Call)
class CallAdmin(admin.ModelAdmin):
    list_display = ["title_ko", "published_at", "opens_at", "closes_at", "reviews_needed"]
    filter_horizontal = ["pools"]
    inlines = [CriterionInline]


@admin.register(models.Pool)
class PoolAdmin(admin.ModelAdmin):
    list_display = ["code", "name_ko", "gpu_kind", "gpus", "qos", "position"]


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(models.Application)
class ApplicationAdmin(ReadOnlyAdmin):
    list_display = ["number", "title_ko", "applicant", "status", "submitted_at"]
    list_filter = ["status", "call"]
    search_fields = ["number", "title_ko", "title_en", "applicant__email"]


@admin.register(models.Project)
class ProjectAdmin(ReadOnlyAdmin):
    list_display = ["code", "title_ko", "pi", "institution"]
    search_fields = ["code", "title_ko", "title_en", "pi__email"]


@admin.register(models.LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ["at", "line", "kind", "gpu_seconds", "by", "reason"]
