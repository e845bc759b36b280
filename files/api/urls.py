"""The paths of the API, without trailing slashes."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from files.api.links import without_slash
from files.api.share_views import SharedFileViewSet, ShareViewSet
from files.api.views import FileViewSet, UploadViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("files", FileViewSet, basename="file")
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
    re_path(r"^s/(?P<rest>.*[^/])/+$", without_slash),
    path("s/<str:token>", _shared, name="shared-file"),
    path("s/<str:token>/download", _download, name="shared-file-download"),
    path("s/<str:token>/init-upload", SharedFileViewSet.as_view({"post": "init_upload"})),
    path("s/<str:token>/commit", SharedFileViewSet.as_view({"post": "commit"})),
]
