"""The admin: everything can be looked at, nothing of the drive can be changed, no secret shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from files.models import File, FileVersion, Share, ShareEvent, Upload, User
from tests.support import wire
from tests.support.client import sha256

TABLES = [User, File, FileVersion, Upload, Share, ShareEvent]
READ_ONLY: list[type[Model]] = [File, FileVersion, Upload, Share, ShareEvent]
DIGEST = "d1" * 32
NAME = '<i>"name" & more</i>.txt'


@dataclass
class Rows:
    """One row of each table, linked with one another, and the secrets among them."""

    person: User = field(default_factory=lambda: User.objects.create_user("person", password="pw"))

    def __post_init__(self) -> None:
        common: dict[str, Any] = {
            "size": 1,
            "content_type": "text/plain",
            "checksum": sha256(b"1"),
        }
        self.file = File.objects.create(
            user=self.person,
            name=NAME,
            integrity="read",
            key_current="uploads/a",
            version_current=1,
            **common,
        )
        self.share = Share.objects.create(
            file=self.file,
            created_by=self.person,
            token_digest=DIGEST,
            permission="write",
            password=make_password("share password"),
        )
        self.version = FileVersion.objects.create(
            file=self.file,
            version=1,
            key="uploads/a",
            store_version_id="v",
            etag="e",
            integrity="read",
            share=self.share,
            **common,
        )
        self.upload = Upload.objects.create(
            user=self.person,
            share=self.share,
            key="uploads/a",
            filename=NAME,
            file=self.file,
            state="committed",
            file_version=self.version,
            commit_by=timezone.now(),
            **common,
        )
        self.event = ShareEvent.objects.create(share=self.share, what="committed", version=1)

    def __iter__(self) -> Any:
        return iter([self.person, self.file, self.version, self.upload, self.share, self.event])

    @property
    def secrets(self) -> list[str]:
        assert self.share.password is not None
        return [
            DIGEST,
            self.share.password,
            self.person.password,
            self.share.password.split("$")[-1],
            self.person.password.split("$")[-1],
        ]


@pytest.fixture
def rows(db: None) -> Rows:
    return Rows()


@pytest.fixture
def root(db: None) -> Browser:
    browser = Browser(raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("root"))
    return browser


def page(table: type[Model], name: str, *arguments: Any) -> str:
    return reverse(f"admin:files_{table._meta.model_name}_{name}", args=arguments)


def html(browser: Browser, path: str) -> str:
    response = browser.get(path)
    assert response.status_code == 200, path
    return str(response.content.decode())


def test_every_table_is_in_the_admin() -> None:
    tables = {model for model in apps.get_app_config("files").get_models() if not model._meta.proxy}
    assert tables == set(TABLES)
    assert tables <= admin.site._registry.keys()


def test_every_list_and_every_row_can_be_looked_at(rows: Rows, root: Browser) -> None:
    for row in rows:
        path = page(type(row), "change", row.pk)
        listing = html(root, page(type(row), "changelist"))
        assert path in listing
        assert str(row.pk) in html(root, path)
        assert str(row) in unescape(html(root, page(type(row), "history", row.pk)))
    assert "Remote Drive" in html(root, reverse("admin:index"))


def test_a_list_costs_the_same_queries_however_many_rows_it_has(
    rows: Rows, root: Browser, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(2, 30):
        FileVersion.objects.create(
            file=rows.file,
            version=number,
            key=f"uploads/{number}",
            store_version_id="v",
            etag="e",
            size=1,
            content_type="a/b",
            checksum=sha256(b"1"),
            integrity="read",
            created_by=rows.person,
        )
    with django_assert_max_num_queries(12):
        html(root, page(FileVersion, "changelist"))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (User, ["person"]),
        (File, ["name", "uploads/a", "person", "{file}", sha256(b"1")]),
        (FileVersion, ["uploads/a", "{file}", "{version}", sha256(b"1"), "more"]),
        (Upload, ["uploads/a", "person", "{upload}", "name"]),
        (Share, ["{share}", "{file}", "person", "name"]),
        (ShareEvent, ["{share}"]),
    ],
)
def test_a_search_finds_what_is_there_and_nothing_else(
    rows: Rows, root: Browser, table: type[Model], words: list[str]
) -> None:
    ids = {name: getattr(rows, name).pk for name in ("file", "version", "upload", "share")}
    [row] = table._default_manager.exclude(pk=User.objects.get(username="root").pk)
    link = page(table, "change", row.pk)
    for word in words:
        query = {"q": word.format(**ids)}
        response = root.get(page(table, "changelist"), query)
        assert link in response.content.decode(), word
    nothing = root.get(page(table, "changelist"), {"q": "nowhere-to-be-found"})
    assert nothing.status_code == 200
    assert link not in nothing.content.decode()


@pytest.mark.parametrize("word", ["%", "_", "'", '"', "\\", "é🙂", "a" * 5000, "\x00", "  "])
def test_a_search_for_odd_words_is_no_error(rows: Rows, root: Browser, word: str) -> None:
    for table in TABLES:
        assert root.get(page(table, "changelist"), {"q": word}).status_code in (200, 302)


@pytest.mark.parametrize("field", ["", "name", "id", "password", "no_such", "user__password"])
def test_a_row_that_is_asked_for_by_an_odd_field_is_no_error(
    rows: Rows, root: Browser, field: str
) -> None:
    for row in rows:
        path = page(type(row), "change", row.pk)
        assert root.get(path, {"_to_field": field}).status_code in (200, 302, 400)


@pytest.mark.parametrize(
    ("table", "filters"),
    [
        (File, {"integrity__exact": "read", "deleted_at__isempty": "1"}),
        (FileVersion, {"integrity__exact": "read"}),
        (Upload, {"state__exact": "committed", "multipart_id__isempty": "1"}),
        (Share, {"permission__exact": "write", "revoked_at__isempty": "1"}),
        (ShareEvent, {"what__exact": "committed"}),
    ],
)
def test_the_filters_find_the_row_and_their_opposites_do_not(
    rows: Rows, root: Browser, table: type[Model], filters: dict[str, str]
) -> None:
    [row] = table._default_manager.all()
    link = page(table, "change", row.pk)
    assert link in root.get(page(table, "changelist"), filters).content.decode()
    for name in filters:
        opposite = "0" if filters[name] == "1" else "none of these"
        shown = root.get(page(table, "changelist"), {name: opposite})
        assert shown.status_code in (200, 302)
        assert link not in shown.content.decode()


def test_the_tables_link_to_one_another(rows: Rows, root: Browser) -> None:
    links: list[tuple[Model, list[Model]]] = [
        (rows.file, [rows.person, rows.version]),
        (rows.version, [rows.file, rows.share]),
        (rows.upload, [rows.person, rows.file, rows.version, rows.share]),
        (rows.share, [rows.file, rows.person]),
        (rows.event, [rows.share]),
    ]
    for row, others in links:
        shown = html(root, page(type(row), "change", row.pk))
        for other in others:
            assert page(type(other), "change", other.pk) in shown, (row, other)


def test_what_people_named_is_escaped(rows: Rows, root: Browser) -> None:
    for row in rows:
        for path in (page(type(row), "changelist"), page(type(row), "change", row.pk)):
            assert "<i>" not in html(root, path)
    assert escape(NAME) in html(root, page(File, "changelist"))


def test_no_secret_is_in_any_page(rows: Rows, root: Browser) -> None:
    assert len(rows.secrets[2]) > 20
    for row in rows:
        for path in (
            page(type(row), "changelist"),
            page(type(row), "change", row.pk),
            page(type(row), "history", row.pk),
        ):
            shown = html(root, path)
            assert not [secret for secret in rows.secrets if secret in shown], path


def test_secrets_can_not_be_searched_or_filtered_by(rows: Rows, root: Browser) -> None:
    link = page(Share, "change", rows.share.pk)
    assert link not in root.get(page(Share, "changelist"), {"q": DIGEST}).content.decode()
    for name in ("token_digest", "password", "token_digest__startswith", "file__user__password"):
        answer = root.get(page(Share, "changelist"), {name: "d1"})
        assert answer.status_code == 400, name


def snapshot() -> list[dict[str, Any]]:
    return [row for table in READ_ONLY for row in table._default_manager.values()]


def test_nothing_of_the_drive_can_be_added_changed_or_deleted(rows: Rows, root: Browser) -> None:
    before = snapshot()
    for row in [row for row in rows if type(row) in READ_ONLY]:
        table = type(row)
        delete = {
            "action": "delete_selected",
            "_selected_action": str(row.pk),
            "post": "yes",
        }
        forms = [
            (page(table, "add"), {"name": "x"}, 403),
            (page(table, "change", row.pk), {"name": "x", "_save": "Save"}, 403),
            (page(table, "delete", row.pk), {"post": "yes"}, 403),
        ]
        for path, form, status in forms:
            response = root.post(path, form)
            assert response.status_code == status, path
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.json()["code"] == "permission-denied"
        assert root.post(page(table, "changelist"), delete).status_code < 500
        assert root.get(page(table, "add")).status_code == 403
        assert root.get(page(table, "delete", row.pk)).status_code == 403
        shown = html(root, page(table, "change", row.pk))
        assert 'name="_save"' not in shown
        assert "deletelink" not in shown
    assert snapshot() == before


def test_a_user_with_files_can_not_be_deleted(rows: Rows, root: Browser) -> None:
    answer = root.post(page(User, "delete", rows.person.pk), {"post": "yes"})
    assert answer.status_code in (200, 403)
    assert User.objects.filter(pk=rows.person.pk).exists()


def new_user(**changes: str) -> dict[str, str]:
    password = "correct horse battery"
    form = {"username": "new", "subject": "", "email": "", "usable_password": "true"}
    return form | {"password1": password, "password2": password} | changes


def test_a_user_can_be_added_and_its_subject_is_its_name_by_default(root: Browser) -> None:
    assert root.post(page(User, "add"), new_user()).status_code == 302
    assert User.objects.get(username="new").subject == "new"
    assert root.post(page(User, "add"), new_user(username="b", subject="c")).status_code == 302
    assert User.objects.get(username="b").subject == "c"


def test_a_subject_that_is_taken_is_said_to_be(rows: Rows, root: Browser) -> None:
    User.objects.filter(pk=rows.person.pk).update(subject="new")
    for form in (new_user(), new_user(username="other", subject="new")):
        answer = root.post(page(User, "add"), form)
        assert answer.status_code == 200
        assert "already exists" in answer.content.decode()


def test_a_user_can_be_made_inactive(rows: Rows, root: Browser) -> None:
    form = {"username": "person", "subject": "person", "email": ""}
    assert root.post(page(User, "change", rows.person.pk), form).status_code == 302
    rows.person.refresh_from_db()
    assert not rows.person.is_active


def test_the_admin_is_for_staff_only(rows: Rows) -> None:
    browser = Browser()
    for path in (reverse("admin:index"), page(File, "changelist")):
        response = browser.get(path)
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/admin/login/")
    browser.force_login(rows.person)
    assert browser.get(page(File, "changelist")).status_code == 302


def test_a_bearer_token_opens_nothing_in_the_admin(db: None) -> None:
    from tests.support.client import Client

    root = Client(User.objects.create_superuser("root"))
    assert root.get("/admin/").status == 302


def test_the_login_page_lets_in_by_password_and_csrf_token_only(db: None) -> None:
    User.objects.create_superuser("root", password="correct horse")
    browser = Browser(enforce_csrf_checks=True)
    shown = html(browser, "/admin/login/")
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown)
    assert found
    form = {"username": "root", "password": "correct horse", "next": "/admin/"}
    assert browser.post("/admin/login/", form).status_code == 403
    form["csrfmiddlewaretoken"] = found[1]
    wrong = browser.post("/admin/login/", form | {"password": "wrong"})
    assert wrong.status_code == 200
    assert "sessionid" not in browser.cookies
    right = browser.post("/admin/login/", form)
    assert (right.status_code, right.headers["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert browser.cookies["sessionid"]["httponly"]


def test_a_login_does_not_lead_to_another_site(db: None) -> None:
    User.objects.create_superuser("root", password="correct horse")
    form = {"username": "root", "password": "correct horse", "next": "https://evil.example/"}
    response = Browser().post("/admin/login/", form)
    assert response.status_code == 302
    assert "evil" not in response.headers["Location"]


def test_the_static_files_that_the_login_page_names_are_served(db: None) -> None:
    shown = html(Browser(), "/admin/login/")
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', shown)
    assert len(named) > 3
    for path in named:
        answer = wire.send("GET", path)
        assert answer.status == 200, path
        assert len(answer.content) > 100
        kind = {"css": "text/css", "js": "text/javascript"}[path.rsplit(".")[-1]]
        assert answer.headers["Content-Type"].startswith(kind)
    assert wire.send("HEAD", named[0]).status == 200


@pytest.mark.parametrize(
    "path", ["/static/", "/static/admin/", "/static/../files/models.py", "/static/%2e%2e/manage.py"]
)
def test_nothing_but_static_files_is_served_as_one(db: None, path: str) -> None:
    assert wire.send("GET", path).status == 404


def test_shares_can_be_revoked_and_only_by_those_who_may_change_them(
    rows: Rows, root: Browser
) -> None:
    act = {"action": "revoke", "_selected_action": str(rows.share.pk)}
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_share"))
    looking = Browser()
    looking.force_login(viewer)
    looking.post(page(Share, "changelist"), act)
    rows.share.refresh_from_db()
    assert rows.share.revoked_at is None
    answer = root.post(page(Share, "changelist"), act, follow=True)
    assert "1 of 1 shares were revoked now." in answer.content.decode()
    rows.share.refresh_from_db()
    revoked_at = rows.share.revoked_at
    assert revoked_at is not None
    root.post(page(Share, "changelist"), act)
    rows.share.refresh_from_db()
    assert rows.share.revoked_at == revoked_at
