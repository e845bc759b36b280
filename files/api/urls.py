"""The paths of the API, without trailing slashes."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from files.api.share_views import ShareViewSet, VisitViewSet
from files.api.views import FileViewSet, UploadViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("files", FileViewSet, basename="file")
router.register("uploads", UploadViewSet, basename="upload")
router.register("shares", ShareViewSet, basename="share")

_visit = VisitViewSet.as_view({"get": "retrieve"}, has_page=True)
# HEAD is left out of the download: it would be counted as one.
_download = VisitViewSet.as_view(
    {"get": "download", "post": "download_with_password"},
    http_method_names=["get", "post"],
    has_page=True,
)

urlpatterns = [
    *router.urls,
    path("s/<str:token>", _visit, name="visit"),
    path("s/<str:token>/download", _download, name="visit-download"),
    path("s/<str:token>/init-upload", VisitViewSet.as_view({"post": "init_upload"})),
    path("s/<str:token>/commit", VisitViewSet.as_view({"post": "commit"})),
]
