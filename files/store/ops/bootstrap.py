"""Makes the store ready for the service: bucket, versioning, CORS, the key that signs uploads.

For `manage.py bootstrap_store` only; nothing that serves a request may import this. Every step
first looks what is there, so that doing it again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.helpers import md5sum_hash
from minio.versioningconfig import VersioningConfig

from files.store import transport

_CORS = b"""<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CORSRule>\
<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
<AllowedMethod>HEAD</AllowedMethod><AllowedMethod>POST</AllowedMethod>\
<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
<ExposeHeader>x-amz-version-id</ExposeHeader><MaxAgeSeconds>3600</MaxAgeSeconds>\
</CORSRule></CORSConfiguration>"""


class StoreSetupError(Exception):
    """What could not be done and why, in a sentence for the operator."""


@dataclass(frozen=True)
class StoreSetup:
    """Where the store is, by which key it is administered, and what it is to have."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str
    bucket: str
    timeout: float
    """Seconds that each step may take."""
    upload_access_key: str | None
    upload_secret_key: str | None

    def run(self) -> Iterator[str]:
        """Do what is missing, step by step; give a line about each. Raises StoreSetupError."""
        try:
            client = transport.client(
                endpoint=self.endpoint,
                region=self.region,
                access_key=self.access_key,
                secret_key=self.secret_key,
                connections=1,
            )
        except ValueError as error:
            raise StoreSetupError(f"The store's address or region cannot be: {error}.") from None
        steps: list[Callable[[Minio], str]] = [self._bucket, self._versioning, self._cors]
        for step in (*steps, self._upload_key):
            with transport.deadline(self.timeout):
                try:
                    line = step(client)
                except StoreSetupError:
                    raise
                except S3Error as error:
                    raise StoreSetupError(
                        f"The store at {self.endpoint} refused: {error.code} ({error.message})"
                    ) from None
                except MinioAdminException as error:
                    raise StoreSetupError(
                        f"The store at {self.endpoint} refused: {_message(error)}"
                    ) from None
                except Exception as error:
                    # Any error: the SDK lets those of ssl, http.client and XML through.
                    raise StoreSetupError(
                        f"The store at {self.endpoint} does not answer as it should"
                        f" ({transport.reason(error)})."
                    ) from None
            yield line

    def _bucket(self, client: Minio) -> str:
        if client.bucket_exists(self.bucket):
            return f"bucket {self.bucket}: there"
        try:
            client.make_bucket(self.bucket)
        except S3Error as error:
            if error.code == "BucketAlreadyOwnedByYou":
                return f"bucket {self.bucket}: there"
            raise
        return f"bucket {self.bucket}: made"

    def _versioning(self, client: Minio) -> str:
        if client.get_bucket_versioning(self.bucket).status == ENABLED:
            return f"versioning of {self.bucket}: on"
        client.set_bucket_versioning(self.bucket, VersioningConfig(ENABLED))
        if client.get_bucket_versioning(self.bucket).status != ENABLED:
            raise StoreSetupError(f"The store does not keep versions in the bucket {self.bucket}.")
        return f"versioning of {self.bucket}: turned on"

    def _cors(self, client: Minio) -> str:
        """The SDK has no call for CORS. S3 GetBucketCors, PutBucketCors."""
        query: dict[str, Any] = {"cors": ""}
        try:
            client._execute("GET", self.bucket, query_params=query)
        except S3Error as error:
            if error.response.status not in (404, 501):
                raise
        else:
            # Somebody may have narrowed the rules on purpose.
            return f"CORS of {self.bucket}: there, left as it is"
        headers: dict[str, Any] = {"Content-MD5": md5sum_hash(_CORS)}
        try:
            client._execute("PUT", self.bucket, body=_CORS, headers=headers, query_params=query)
        except S3Error as error:
            if error.response.status != 501:
                raise
            return f"CORS of {self.bucket}: not kept per bucket by this store; see its own settings"
        return f"CORS of {self.bucket}: set"

    def _upload_key(self, client: Minio) -> str:
        """Make the user that may only PUT under `uploads/`, multipart included."""
        user, secret = self.upload_access_key, self.upload_secret_key
        if not (user and secret):
            return "upload key: none is set, so the service's own key signs uploads"
        admin = self._admin(self.access_key, self.secret_key)
        if not _has_admin_api(admin):
            return (
                f"upload key {user}: this store has no MinIO admin API; let the key have"
                f" s3:PutObject on {self.bucket}/uploads/* and nothing else"
            )
        done = [
            *self._policy(admin),
            *self._user(admin, user, secret),
            *self._attachment(admin, user),
        ]
        return f"upload key {user}: {', '.join(done) or 'there'}"

    def _policy(self, admin: MinioAdmin) -> Iterator[str]:
        """Let the policy say this and no more. Gives what was done, if anything."""
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:PutObject"],
                    "Resource": [f"arn:aws:s3:::{self.bucket}/uploads/*"],
                }
            ],
        }
        present = _unless_missing(admin.policy_info, self._policy_name)
        if present is None or json.loads(present) != policy:
            admin.policy_add(policy_name=self._policy_name, policy=policy)
            yield f"policy {self._policy_name} made"

    def _user(self, admin: MinioAdmin, user: str, secret: str) -> Iterator[str]:
        """Let the user be there with this secret. Gives what was done, if anything."""
        if _unless_missing(admin.user_info, user) is None:
            admin.user_add(access_key=user, secret_key=secret)
            yield "user made"
        elif not _has_admin_api(self._admin(user, secret)):
            admin.user_add(access_key=user, secret_key=secret)
            yield "secret set"

    def _attachment(self, admin: MinioAdmin, user: str) -> Iterator[str]:
        """Let the policy be the user's. Gives what was done, if anything."""
        attached = json.loads(admin.user_info(user)).get("policyName", "").split(",")
        if self._policy_name not in attached:
            admin.attach_policy(policies=[self._policy_name], user=user)
            yield "policy attached"

    @property
    def _policy_name(self) -> str:
        return f"{self.bucket}-uploads"

    def _admin(self, access_key: str, secret_key: str) -> MinioAdmin:
        url = urlsplit(self.endpoint)
        secure = url.scheme == "https"
        return MinioAdmin(
            endpoint=url.netloc,
            credentials=StaticProvider(access_key, secret_key),
            region=self.region,
            secure=secure,
            http_client=transport.pool(secure=secure, connections=1),
        )


def _has_admin_api(admin: MinioAdmin) -> bool:
    """Say whether the store answers MinIO's AccountInfo, which every key of its may ask for."""
    try:
        return "AccountName" in json.loads(admin.account_info())
    except (MinioAdminException, ValueError):
        return False


def _unless_missing(ask: Callable[[str], str], name: str) -> str | None:
    try:
        return ask(name)
    except MinioAdminException as error:
        # The SDK has no public way to the status.
        if error._code == "404":
            return None
        raise


def _message(error: MinioAdminException) -> str:
    try:
        return str(json.loads(error._body)["Message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error._code}"
