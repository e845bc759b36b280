"""Users and groups in the admin: who may change what of whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from files.admin.pages import Page
from files.models import Change, User
from files.services import quotas
from remotedrive.sizes import written_size

if TYPE_CHECKING:
    BaseUserAdmin = DjangoUserAdmin[User]
    BaseUserForm = UserChangeForm[User]
else:
    BaseUserAdmin = DjangoUserAdmin
    BaseUserForm = UserChangeForm


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
    list_display = (
        *("username", "subject", "email", "is_active", "is_staff"),
        *("quota_bytes", "bytes_used", "bytes_reserved", "created_at"),
    )
    search_fields = ("username", "subject", "email")
    readonly_fields = ("usage", "created_at", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "subject", "confirm_subject", "email", "password")}),
        ("Permissions", {"fields": ("is_active", *_RIGHTS)}),
        ("Storage", {"fields": ("quota_bytes", "usage")}),
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

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        shown, counts, not_permitted, protected = super().get_deleted_objects(objs, request)
        # The feed, which nobody may change, goes with its user.
        return shown, counts, not_permitted - {Change._meta.verbose_name}, protected

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
        if obj is None or _is_superuser(request):
            return fields
        return (*fields, "subject", "quota_bytes")

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

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "quota_bytes" in form.changed_data:
            # To count here would lock uploads after the user.
            quotas.forget_count(User.objects.filter(pk=obj.pk))

    @admin.display(description="in use")
    def usage(self, user: User) -> str:
        usage = quotas.usage(user=user)
        limit = "no quota" if usage.quota_bytes is None else f"of {written_size(usage.quota_bytes)}"
        return (
            f"{written_size(usage.bytes_used)} used, {written_size(usage.bytes_reserved)} reserved "
            f"for uploads, {limit}; {usage.files} files, "
            f"{written_size(quotas.waiting(user=user))} waiting to be collected"
        )

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
