"""What has no page of its own: pools, which are set up together with the cluster.

Calls, applications, grants and the ledger are shown as they are: their acts happen on the portal's pages only, where
each leaves an Event.
"""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from allocations import models


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


@admin.register(models.Call)
class CallAdmin(ReadOnlyAdmin):
    list_display = ["title_ko", "track", "published_at", "opens_at", "closes_at"]
    search_fields = ["title_ko", "title_en"]


@admin.register(models.ConsentText)
class ConsentTextAdmin(ReadOnlyAdmin):
    list_display = ["code", "version", "title_ko", "stage", "required", "retired"]


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
