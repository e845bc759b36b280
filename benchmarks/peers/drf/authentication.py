"""A bearer token to its user."""

import jwt
from django.conf import settings
from rest_framework import authentication, exceptions

from benchmarks.peers.drf.models import User


class BearerAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, settings.JWT_SECRET, algorithms=["HS256"])
            return User.objects.get(subject=claims["sub"], is_active=True), token
        except (jwt.PyJWTError, User.DoesNotExist) as error:
            raise exceptions.AuthenticationFailed from error

    def authenticate_header(self, request):
        return "Bearer"
