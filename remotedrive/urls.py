"""The root of all paths."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from files.api.health import readyz
from remotedrive.http import views

urlpatterns = [
    path("", include("files.api.urls")),
    path("healthz", views.healthz),
    path("readyz", readyz),
    path("problems/<str:code>", views.problem),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.not_found
handler500 = views.server_error
