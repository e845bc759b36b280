"""Makes the store ready for the service: bucket, versioning, CORS, the key that signs uploads.

Every step looks first what is there, so that doing it again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED
from minio.credentials.providers import Provider, StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.helpers import md5sum_hash
from minio.versioningconfig import VersioningConfig

from files.store import sdk, transport
from files.store.config import StoreConfig
from files.store.credentials import SDKProvider, credential_source

_CORS = b"""<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CORSRule>\
<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
<AllowedMethod>HEAD</AllowedMethod><AllowedMethod>POST</AllowedMethod>\
<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
<ExposeHeader>x-amz-version-id</ExposeHeader><MaxAgeSeconds>3600</MaxAgeSeconds>\
</CORSRule></CORSConfiguration>"""


class StoreSetupError(Exception):
    """What could not be done and why, in a sentence for the operator."""


class StoreSetup:
    """Makes the store of `config` ready for the service."""

    def __init__(self, config: StoreConfig) -> None:
        self._config = config

    def run(self) -> Iterator[str]:
        """Do what is missing, step by step; yield a line about each. Raises StoreSetupError.

        Each step takes at most the timeout of `config`.
        """
        try:
            client = sdk.client(self._config, connections=1)
        except ValueError as error:
            message = f"MINIO_ENDPOINT or MINIO_REGION is not valid: {error}."
            raise StoreSetupError(message) from None
        steps: list[Callable[[Minio], str]] = [self._bucket, self._versioning, self._cors]
        for step in (*steps, self._upload_key):
            with transport.deadline(self._config.timeout):
                try:
                    line = step(client)
                except StoreSetupError:
                    raise
                except S3Error as error:
                    raise self._refused(f"{error.code} ({error.message})") from None
                except MinioAdminException as error:
                    raise self._refused(_message(error)) from None
                except Exception as error:
                    # Any error: the SDK lets those of ssl, http.client and XML through.
                    raise StoreSetupError(
                        f"The store at {self._config.endpoint} does not answer as it should"
                        f" ({transport.reason(error)})."
                    ) from None
            yield line

    def _refused(self, why: str) -> StoreSetupError:
        return StoreSetupError(f"The store at {self._config.endpoint} refused: {why}")

    def _bucket(self, client: Minio) -> str:
        if client.bucket_exists(self._config.bucket):
            return f"bucket {self._config.bucket}: there"
        try:
            client.make_bucket(self._config.bucket)
        except S3Error as error:
            if error.code == "BucketAlreadyOwnedByYou":
                return f"bucket {self._config.bucket}: there"
            raise
        return f"bucket {self._config.bucket}: made"

    def _versioning(self, client: Minio) -> str:
        if client.get_bucket_versioning(self._config.bucket).status == ENABLED:
            return f"versioning of {self._config.bucket}: on"
        client.set_bucket_versioning(self._config.bucket, VersioningConfig(ENABLED))
        if client.get_bucket_versioning(self._config.bucket).status != ENABLED:
            raise StoreSetupError(
                f"The store does not keep versions in the bucket {self._config.bucket}."
            )
        return f"versioning of {self._config.bucket}: turned on"

    def _cors(self, client: Minio) -> str:
        """The SDK has no call for CORS. S3 GetBucketCors, PutBucketCors."""
        query: dict[str, Any] = {"cors": ""}
        try:
            client._execute("GET", self._config.bucket, query_params=query)
        except S3Error as error:
            if error.response.status not in (404, 501):
                raise
        else:
            # Somebody may have narrowed the rules on purpose.
            return f"CORS of {self._config.bucket}: there, left as it is"
        headers: dict[str, Any] = {"Content-MD5": md5sum_hash(_CORS)}
        try:
            client._execute(
                "PUT", self._config.bucket, body=_CORS, headers=headers, query_params=query
            )
        except S3Error as error:
            if error.response.status != 501:
                raise
            return f"CORS of {self._config.bucket}: not kept per bucket; see the store's settings"
        return f"CORS of {self._config.bucket}: set"

    def _upload_key(self, client: Minio) -> str:
        """Make the user that may only PUT under `uploads/`, multipart included."""
        user, secret = self._config.upload_access_key, self._config.upload_secret_key
        if not (user and secret):
            return "upload key: none is set, so the service's own key signs uploads"
        admin = self._admin(SDKProvider(credential_source(self._config)))
        if not _has_admin_api(admin):
            return (
                f"upload key {user}: this store has no MinIO admin API; let the key have"
                f" s3:PutObject on {self._config.bucket}/uploads/* and nothing else"
            )
        done = [
            *self._policy(admin),
            *self._user(admin, user, secret),
            *self._attachment(admin, user),
        ]
        return f"upload key {user}: {', '.join(done) or 'there'}"

    def _policy(self, admin: MinioAdmin) -> Iterator[str]:
        """Make the policy, or set what it says. Yields a line for each change."""
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:PutObject"],
                    "Resource": [f"arn:aws:s3:::{self._config.bucket}/uploads/*"],
                }
            ],
        }
        present = _unless_missing(admin.policy_info, self._policy_name)
        if present is None or json.loads(present) != policy:
            admin.policy_add(policy_name=self._policy_name, policy=policy)
            yield f"policy {self._policy_name} made"

    def _user(self, admin: MinioAdmin, user: str, secret: str) -> Iterator[str]:
        """Make the user, or set its secret. Yields a line for each change."""
        if _unless_missing(admin.user_info, user) is None:
            admin.user_add(access_key=user, secret_key=secret)
            yield "user made"
        elif not _has_admin_api(self._admin(StaticProvider(user, secret))):
            admin.user_add(access_key=user, secret_key=secret)
            yield "secret set"

    def _attachment(self, admin: MinioAdmin, user: str) -> Iterator[str]:
        """Attach the policy to the user. Yields a line for each change."""
        attached = json.loads(admin.user_info(user)).get("policyName", "").split(",")
        if self._policy_name not in attached:
            admin.attach_policy(policies=[self._policy_name], user=user)
            yield "policy attached"

    @property
    def _policy_name(self) -> str:
        return f"{self._config.bucket}-uploads"

    def _admin(self, credentials: Provider) -> MinioAdmin:
        return MinioAdmin(
            endpoint=sdk.netloc(self._config),
            credentials=credentials,
            region=self._config.region,
            secure=self._config.secure,
            http_client=transport.pool(secure=self._config.secure, connections=1),
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
