"""The paths of the drive's pages."""

from django.urls import path

from files.web import views

urlpatterns = [
    path("", views.drive, name="drive"),
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("token", views.token, name="token"),
]
