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


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ["email", "name_ko", "institution", "is_active"]
    search_fields = ["email", "name_ko", "name_en", "cluster_username"]
    readonly_fields = ["password", "last_login", "date_joined"]
    inlines = [RoleInline]
