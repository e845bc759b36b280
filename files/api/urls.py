"""The paths of the API, without trailing slashes."""

from rest_framework.routers import SimpleRouter

from files.api.views import FileViewSet, UploadViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("files", FileViewSet, basename="file")
router.register("uploads", UploadViewSet, basename="upload")

urlpatterns = router.urls
