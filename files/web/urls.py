"""The paths of the drive's pages."""

from django.urls import path

from files.web import openid, views

urlpatterns = [
    path("", views.drive, name="drive"),
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-in/oidc", openid.start, name="sign-in-oidc"),
    path("sign-in/oidc/callback", openid.callback),
    path("sign-out", views.sign_out, name="sign-out"),
    path("token", views.token, name="token"),
]
