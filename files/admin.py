"""The admin: users can be edited, shares revoked; all else is read-only, and no secret is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from files.models import File, FileVersion, Share, ShareEvent, Upload, User
from files.services import shares

if TYPE_CHECKING:
    BaseUserAdmin = DjangoUserAdmin[User]
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    BaseUserAdmin = DjangoUserAdmin
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


def linked(row: Model | None) -> SafeString | str:
    """Return a link to the admin page of `row`."""
    if row is None:
        return "-"
    url = reverse(f"admin:files_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, row)


class Page:
    """Ignores an empty `_to_field` in the query."""

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        # Django's own check lets it pass, and then fails to find a field of that name.
        return super().get_object(request, object_id, from_field or None)  # type: ignore[misc]


class ReadOnly:
    """Denies adding, changing and deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(Page, BaseUserAdmin):
    list_display = ("username", "subject", "email", "is_active", "is_staff", "created_at")
    search_fields = ("username", "subject", "email")
    readonly_fields = ("created_at", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "subject", "email", "password")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "user_permissions")}),
        ("Times", {"fields": ("created_at", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username",
                    "subject",
                    "email",
                    "usable_password",
                    "password1",
                    "password2",
                )
            },
        ),
    )


class FileVersionInline(ReadOnly, TabularInline):
    model = FileVersion
    fields = ("version", "size", "content_type", "checksum", "integrity", "created_at")
    ordering = ("-version",)
    show_change_link = True
    max_num = 0


@admin.register(File)
class FileAdmin(ReadOnly, Page, ModelAdmin):
    list_display = ("name", "owner", "size", "content_type", "version_current", "integrity")
    list_filter = ("integrity", ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("user",)
    search_fields = ("=id", "name", "key_current", "=user__subject", "checksum")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    exclude = ("user",)
    readonly_fields = ("owner",)
    inlines = (FileVersionInline,)

    @admin.display(ordering="user__subject")
    def owner(self, file: File) -> SafeString | str:
        return linked(file.user)


@admin.register(FileVersion)
class FileVersionAdmin(ReadOnly, Page, ModelAdmin):
    list_display = ("key", "file_link", "version", "size", "integrity", "maker", "created_at")
    list_filter = ("integrity", "created_at")
    list_select_related = ("file", "created_by", "share")
    search_fields = ("=id", "key", "checksum", "=file__id", "file__name")
    ordering = ("-created_at",)
    exclude = ("file", "created_by", "share")
    readonly_fields = ("file_link", "maker")

    @admin.display(description="file", ordering="file__name")
    def file_link(self, version: FileVersion) -> SafeString | str:
        return linked(version.file)

    @admin.display(description="made by")
    def maker(self, version: FileVersion) -> SafeString | str:
        return linked(version.created_by or version.share)


@admin.register(Upload)
class UploadAdmin(ReadOnly, Page, ModelAdmin):
    list_display = ("key", "owner", "filename", "size", "state", "commit_by", "created_at")
    list_filter = ("state", "created_at", ("multipart_id", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("=id", "key", "filename", "=user__subject")
    ordering = ("-created_at",)
    exclude = ("user", "file", "file_version", "share")
    readonly_fields = ("owner", "file_link", "version_link", "share_link")

    @admin.display(ordering="user__subject")
    def owner(self, upload: Upload) -> SafeString | str:
        return linked(upload.user)

    @admin.display(description="new version of")
    def file_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.file)

    @admin.display(description="committed as")
    def version_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.file_version)

    @admin.display(description="through share")
    def share_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.share)


class ShareEventInline(ReadOnly, TabularInline):
    model = ShareEvent
    fields = ("at", "what", "reason", "version", "address")
    ordering = ("-at",)
    max_num = 0


@admin.register(Share)
class ShareAdmin(ReadOnly, Page, ModelAdmin):
    list_display = ("id", "file_link", "permission", "expires_at", "download_count", "revoked_at")
    list_filter = ("permission", ("revoked_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("file", "created_by")
    search_fields = ("=id", "file__name", "=file__id", "=created_by__subject")
    ordering = ("-created_at",)
    # The hash of the password is a secret; the digest of the token is only of no use here.
    exclude = ("token_digest", "password", "file", "created_by")
    readonly_fields = ("file_link", "maker", "locked")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("files.change_share")

    @admin.action(description="Revoke the selected shares", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        number = shares.revoke(queryset)
        self.message_user(request, f"{number} of {queryset.count()} shares were revoked.")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A filter by prefix would reveal a hidden value letter by letter.
        if lookup.partition("__")[0] in ("token_digest", "password"):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    @admin.display(description="file", ordering="file__name")
    def file_link(self, share: Share) -> SafeString | str:
        return linked(share.file)

    @admin.display(description="created by")
    def maker(self, share: Share) -> SafeString | str:
        return linked(share.created_by)

    @admin.display(description="password set", boolean=True)
    def locked(self, share: Share) -> bool:
        return share.password is not None


@admin.register(ShareEvent)
class ShareEventAdmin(ReadOnly, Page, ModelAdmin):
    list_display = (
        "at",
        "share_link",
        "what",
        "reason",
        "version",
        "address",
    )
    list_filter = ("what", "at")
    list_select_related = ("share",)
    search_fields = ("=share__id", "reason", "address")
    ordering = ("-at",)
    exclude = ("share",)
    readonly_fields = ("share_link",)

    @admin.display(description="share", ordering="share")
    def share_link(self, event: ShareEvent) -> SafeString | str:
        return linked(event.share)
