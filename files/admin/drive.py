"""The drives in the admin: files, uploads, shares and what happened; read-only, but shares can be
revoked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from files.admin.filters import FileStageFilter, UploadStageFilter, VersionStageFilter
from files.admin.pages import Page, ReadOnly, linked
from files.models import (
    Change,
    File,
    FileVersion,
    Folder,
    Share,
    ShareEvent,
    SweptDay,
    Upload,
    User,
    WrongPasswords,
)
from files.services import shares

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


@admin.register(Folder)
class FolderAdmin(ReadOnly, Page, ModelAdmin):
    list_display = ("name", "owner", "parent_link", "created_at", "deleted_at", "purged_at")
    list_filter = (FileStageFilter, "created_at")
    list_select_related = ("user", "parent")
    search_fields = ("=id", "name", "=user__subject")
    ordering = ("-created_at",)
    exclude = ("user", "parent")
    readonly_fields = ("owner", "parent_link")

    @admin.display(ordering="user__subject")
    def owner(self, folder: Folder) -> SafeString | str:
        return linked(folder.user)

    @admin.display(description="inside")
    def parent_link(self, folder: Folder) -> SafeString | str:
        return linked(folder.parent)


class FileVersionInline(ReadOnly, TabularInline):
    model = FileVersion
    fields = (
        *("version", "size", "content_type", "checksum", "integrity", "created_at"),
        *("purged_at", "collected_at"),
    )
    ordering = ("-version",)
    show_change_link = True
    max_num = 0


@admin.register(File)
class FileAdmin(ReadOnly, Page, ModelAdmin):
    list_display = (
        *("name", "owner", "size", "content_type", "version_current", "integrity"),
        *("deleted_at", "purged_at"),
    )
    list_filter = (FileStageFilter, "integrity", "created_at")
    list_select_related = ("user",)
    search_fields = ("=id", "name", "key_current", "=user__subject", "checksum")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    exclude = ("user", "folder")
    readonly_fields = ("owner", "folder_link")
    inlines = (FileVersionInline,)

    @admin.display(ordering="user__subject")
    def owner(self, file: File) -> SafeString | str:
        return linked(file.user)

    @admin.display(description="folder")
    def folder_link(self, file: File) -> SafeString | str:
        return linked(file.folder)


@admin.register(FileVersion)
class FileVersionAdmin(ReadOnly, Page, ModelAdmin):
    list_display = (
        *("key", "file_link", "version", "size", "integrity", "maker", "created_at"),
        *("purged", "collected_at"),
    )
    list_filter = (VersionStageFilter, "integrity", "created_at")
    list_select_related = ("file", "created_by", "share")
    search_fields = ("=id", "key", "checksum", "=file__id", "file__name")
    ordering = ("-created_at",)
    exclude = ("file", "created_by", "share", "purged_at")
    readonly_fields = ("file_link", "maker", "purged")

    @admin.display(description="file", ordering="file__name")
    def file_link(self, version: FileVersion) -> SafeString | str:
        return linked(version.file)

    @admin.display(description="purged at")
    def purged(self, version: FileVersion) -> datetime | None:
        """Return when the version was purged, by itself or with its file."""
        times = [at for at in (version.purged_at, version.file.purged_at) if at is not None]
        return min(times, default=None)

    @admin.display(description="made by")
    def maker(self, version: FileVersion) -> SafeString | str:
        return linked(version.created_by or version.share)


@admin.register(Upload)
class UploadAdmin(ReadOnly, Page, ModelAdmin):
    list_display = (
        *("key", "owner", "filename", "size", "state", "commit_by", "created_at"),
        "collected_at",
    )
    list_filter = (
        *("state", UploadStageFilter, "created_at"),
        ("multipart_id", admin.EmptyFieldListFilter),
    )
    list_select_related = ("user",)
    search_fields = ("=id", "key", "filename", "=user__subject")
    ordering = ("-created_at",)
    exclude = ("user", "file", "folder", "file_version", "share")
    readonly_fields = ("owner", "file_link", "folder_link", "version_link", "share_link")

    @admin.display(ordering="user__subject")
    def owner(self, upload: Upload) -> SafeString | str:
        return linked(upload.user)

    @admin.display(description="new version of")
    def file_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.file)

    @admin.display(description="into folder")
    def folder_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.folder)

    @admin.display(description="committed as")
    def version_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.file_version)

    @admin.display(description="through share")
    def share_link(self, upload: Upload) -> SafeString | str:
        return linked(upload.share)


class ShareEventInline(ReadOnly, TabularInline):
    model = ShareEvent
    fields = ("at", "what", "reason", "version", "count", "address")
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
        assert isinstance(request.user, User)  # noqa: S101
        number = shares.revoke(queryset, by=request.user)
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
        "count",
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


@admin.register(WrongPasswords)
class WrongPasswordsAdmin(Page, ModelAdmin):
    """Counts of wrong passwords; who deletes one opens again what it closed."""

    list_display = ("subject", "address", "since", "count")
    ordering = ("-since",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SweptDay)
class SweptDayAdmin(ReadOnly, Page, ModelAdmin):
    """Days whose keys were compared with the store, for what no row names."""

    list_display = ("day", "swept_at")
    ordering = ("-day",)


@admin.register(Change)
class ChangeAdmin(ReadOnly, Page, ModelAdmin):
    """The feeds of changes."""

    list_display = ("at", "owner", "seq", "kind", "file_id", "folder_id", "version", "maker")
    list_filter = ("kind",)
    list_select_related = ("user", "by_user")
    search_fields = ("=user__subject", "=file_id", "=folder_id")
    ordering = ("-pk",)
    exclude = ("user", "by_user", "by_share_id")
    readonly_fields = ("owner", "maker")

    @admin.display(ordering="user__subject")
    def owner(self, change: Change) -> SafeString | str:
        return linked(change.user)

    @admin.display(description="made by")
    def maker(self, change: Change) -> SafeString | str:
        return linked(change.by_user) if change.by_user_id else str(change.by_share_id or "-")
