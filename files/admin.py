"""The admin: users can be edited, shares revoked; all else is read-only, and no secret is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from files.models import File, FileVersion, Share, ShareEvent, Upload, User
from files.services import shares

if TYPE_CHECKING:
    BaseUserAdmin = DjangoUserAdmin[User]
    BaseUserForm = UserChangeForm[User]
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    BaseUserAdmin = DjangoUserAdmin
    BaseUserForm = UserChangeForm
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


class SubjectForm(BaseUserForm):
    """A user's page; another subject is saved only when it is confirmed."""

    confirm_subject = forms.BooleanField(
        required=False,
        help_text="Tick to change the subject: whoever has tokens of the new one then opens this "
        "user's files, and tokens of the old one open them no longer.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "subject" in self.changed_data and not cleaned.get("confirm_subject"):
            self.add_error("confirm_subject", "Confirm that the subject is to change.")
        return cleaned


_RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""What decides who may do what. Only superusers see or change it."""


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    """Return whether the account may be changed: those of other staff only by superusers."""
    return user is None or not user.is_staff or user == request.user or _is_superuser(request)


@admin.register(User)
class UserAdmin(Page, BaseUserAdmin):
    """Users. The permission `change_user` gives no rights, no subject and no password of others.

    For all but superusers, superusers are not there.
    """

    form = SubjectForm
    list_display = ("username", "subject", "email", "is_active", "is_staff", "created_at")
    search_fields = ("username", "subject", "email")
    readonly_fields = ("created_at", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "subject", "confirm_subject", "email", "password")}),
        ("Permissions", {"fields": ("is_active", *_RIGHTS)}),
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request)
        return users if _is_superuser(request) else users.filter(is_superuser=False)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or _is_superuser(request):
            return fieldsets
        hidden = {*_RIGHTS, "confirm_subject", "password"}
        return [
            (title, {**options, "fields": [f for f in options["fields"] if f not in hidden]})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None or _is_superuser(request) else (*fields, "subject")

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._visible(super().get_list_display(request), request)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return self._visible(super().get_list_filter(request), request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        if lookup.partition("__")[0] in _RIGHTS and not _is_superuser(request):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        # Whoever sets a person's password can sign in as that person.
        if not _is_superuser(request):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def _visible(self, names: Any, request: HttpRequest) -> Any:
        return names if _is_superuser(request) else [n for n in names if n not in _RIGHTS]


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin):
    """Groups, which give permissions to their members: for superusers only."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _is_superuser(request)

    has_add_permission = has_view_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


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
