from django.contrib import admin

from portal.people.models import Institution, InstitutionDomain, RoleAssignment, User


class DomainInline(admin.TabularInline):
    model = InstitutionDomain
    extra = 1


class RoleInline(admin.TabularInline):
    model = RoleAssignment
    fk_name = "user"
    extra = 0


@admin.register(Institution)
class InstitutionAdmin(admin.ModelAdmin):
    list_display = ["name_ko", "name_en", "kind"]
    inlines = [DomainInline]


# Asked for, approved and found on pages and by the worker, each with an Event.
NAME_ON_THE_CLUSTER = [
    "cluster_username",
    *(
        f"cluster_username_{step}"
        for step in ("asked_at", "approved_at", "approved_by", "found_at", "lost_at", "refusal")
    ),
    "slurm_default_account",
]


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ["email", "name_ko", "institution", "is_active"]
    search_fields = ["email", "name_ko", "name_en", "cluster_username"]
    readonly_fields = ["password", "last_login", "date_joined", *NAME_ON_THE_CLUSTER]
    inlines = [RoleInline]
