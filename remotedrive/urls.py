"""The root of all paths."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from files.api.health import readyz
from remotedrive.http import views

urlpatterns = [
    # The patterns are tried in their order, and the API has many.
    path("healthz", views.healthz),
    path("readyz", readyz),
    path("metrics", views.show_metrics),
    path("problems/<str:code>", views.problem),
    path("", include("files.api.urls")),
    *([path("", include("files.web.urls"))] if settings.WEB else []),
    # Without passwords the admin has no form of its own: the page's session opens it.
    *([] if settings.PASSWORD_SIGN_IN else [path("admin/login/", RedirectView.as_view(url="/"))]),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.not_found
handler500 = views.server_error
