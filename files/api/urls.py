"""The paths of the API, without trailing slashes."""

from django.urls import path, re_path
from rest_framework.routers import Route, SimpleRouter

from files.api.change_views import ChangeViewSet
from files.api.folder_views import FolderViewSet, LookupViewSet
from files.api.links import without_slash
from files.api.schema.views import SchemaViewSet, docs
from files.api.share_views import SharedFileViewSet, ShareViewSet
from files.api.upload_views import UploadViewSet
from files.api.views import FileViewSet, MeViewSet


class Router(SimpleRouter):
    """Routes DELETE of a whole listing, too."""

    routes = [
        Route(
            url="{prefix}{trailing_slash}",
            mapping={"get": "list", "post": "create", "delete": "destroy_all"},
            name="{basename}-list",
            detail=False,
            initkwargs={"suffix": "List"},
        ),
        *SimpleRouter.routes[1:],
    ]


router = Router(trailing_slash=False, use_regex_path=False)
router.register("files", FileViewSet, basename="file")
router.register("folders", FolderViewSet, basename="folder")
router.register("changes", ChangeViewSet, basename="change")
router.register("uploads", UploadViewSet, basename="upload")
router.register("shares", ShareViewSet, basename="share")

_shared = SharedFileViewSet.as_view({"get": "retrieve"}, has_page=True)
# HEAD is left out of the download: it would be counted as one.
_download = SharedFileViewSet.as_view(
    {"get": "download", "post": "download_with_password"},
    http_method_names=["get", "post"],
    has_page=True,
)

urlpatterns = [
    *router.urls,
    path("schema", SchemaViewSet.as_view({"get": "retrieve"}), name="schema"),
    path("docs", docs, name="docs"),
    path("lookup", LookupViewSet.as_view({"get": "retrieve"}), name="lookup"),
    path("me", MeViewSet.as_view({"get": "retrieve"}), name="me"),
    re_path(r"^s/(?P<rest>.*[^/])/+$", without_slash),
    path("s/<str:token>", _shared, name="shared-file"),
    path("s/<str:token>/download", _download, name="shared-file-download"),
    path("s/<str:token>/init-upload", SharedFileViewSet.as_view({"post": "init_upload"})),
    path("s/<str:token>/commit", SharedFileViewSet.as_view({"post": "commit"})),
]
