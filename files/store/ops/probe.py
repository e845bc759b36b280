"""What `doctor` asks the store with: from outside as a client, from inside as the service.

Everything it makes lies under one prefix of its own, and `clean_up` removes every version of it.
It judges nothing; the checks do.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from minio.error import S3Error

from files.exceptions import StoreUnavailableError
from files.store import sdk, signing, transport
from files.store.client import ObjectStore
from files.store.config import StoreConfig
from files.store.presign import PresignedURL, Presigner

PREFIX = "uploads/doctor/"
EXPIRES_IN = 3600
"""Seconds. Long, so that a clock that is wrong shows as that, and not in every other check."""
_LONGEST_BODY = 1 << 20
_ERROR_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,60})</Code>")


@dataclass(frozen=True)
class StoreResponse:
    """An HTTP answer of the store; of an error, S3's code, too."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The status and, of an error, S3's code: never the message, which may repeat the URL."""
        code = _ERROR_CODE.search(self.body) if self.status >= 300 else None
        return f"{self.status} {code[1].decode()}" if code else str(self.status)

    @property
    def date(self) -> datetime | None:
        """The time that the answer says it is (RFC 9110 §6.6.1), aware; None if it does not."""
        try:
            date = parsedate_to_datetime(self.headers.get("date", ""))
        except ValueError:
            return None
        return date if date.tzinfo is not None else None


class Probe:
    """Throw-away objects in the store of `config`. Calls need a `transport.deadline`."""

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        self._uploads = signing.upload_presigner(config)
        self._downloads = signing.download_presigner(config)
        self.service = ObjectStore(config, concurrency=1)
        self._client = sdk.client(config, connections=1)
        secure = config.secure or config.public_endpoint.startswith("https:")
        self._http = transport.pool(secure=secure, connections=1)
        self._prefix = f"{PREFIX}{uuid.uuid4()}/"
        self._multiparts: dict[str, str] = {}
        self._touched = False

    @property
    def uploads(self) -> Presigner:
        """What signs PUTs. Raises StoreUnavailableError where there are no credentials."""
        return self._uploads()

    @property
    def downloads(self) -> Presigner:
        """What signs GETs. Raises StoreUnavailableError where there are no credentials."""
        return self._downloads()

    def key(self, name: str) -> str:
        """The key of a throw-away object, which `clean_up` removes."""
        self._touched = True
        return self._prefix + name

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> StoreResponse:
        """Make a request as a client does, with nothing but what is given; follow no redirect."""
        response = self._http.request(
            method,
            url,
            headers=headers,
            body=body if method == "PUT" else None,
            redirect=False,
            preload_content=False,
        )
        try:
            return StoreResponse(response.status, response.headers, response.read(_LONGEST_BODY))
        finally:
            response.close()

    def put(self, signed: PresignedURL, body: bytes, **headers: str) -> StoreResponse:
        """PUT `body` as the URL's holder should; `headers` (`_` for `-`) are added or replace."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("PUT", signed.url, headers=signed.headers | more, body=body)

    def url_to_get(self, key: str, version_id: str, signer: Presigner | None = None) -> str:
        """Sign the GET of a version, as plain text to be saved, by default as the service does."""
        return (
            (signer or self.downloads)
            .get(
                key,
                version_id=version_id,
                content_type="text/plain",
                disposition='attachment; filename="doctor.txt"',
                expires_in=EXPIRES_IN,
            )
            .url
        )

    def create_multipart(self, key: str) -> str:
        """Begin a multipart upload that `clean_up` aborts. Returns its id."""
        self._multiparts[key] = self.service.create_multipart(key)
        return self._multiparts[key]

    def complete_multipart(self, key: str) -> bool:
        """Complete it of the parts that the store lists. False where there is no such upload."""
        upload_id = self._multiparts[key]
        parts = self.service.list_parts(key, upload_id=upload_id) or []
        done = self.service.complete_multipart(key, upload_id=upload_id, parts=parts)
        if done:
            # To abort it now is left out: what that does to the object is the store's business.
            del self._multiparts[key]
        return done

    def lifecycle(self) -> bytes | None:
        """The bucket's lifecycle rules, as XML; None: none. S3 GetBucketLifecycleConfiguration.

        The SDK's own call refuses rules that it does not know.
        """
        try:
            answer = self._client._execute(
                "GET", self.config.bucket, query_params={"lifecycle": ""}
            )
        except S3Error as error:
            if error.code == "NoSuchLifecycleConfiguration" or error.response.status == 501:
                return None
            raise
        return bytes(answer.data)

    def clean_up(self) -> None:
        """Abort the multipart uploads and remove every version. Raises what goes wrong, at last."""
        if not self._touched:
            return
        failure: Exception | None = None
        with transport.read_timeout(self.config.timeout):
            for key, upload_id in self._multiparts.items():
                try:
                    self._client._abort_multipart_upload(self.config.bucket, key, upload_id)
                except Exception as error:
                    if not (isinstance(error, S3Error) and error.code == "NoSuchUpload"):
                        failure = error
            versions = self._client.list_objects(
                self.config.bucket, prefix=self._prefix, recursive=True, include_version=True
            )
            for version in list(versions):
                self._client.remove_object(
                    self.config.bucket, str(version.object_name), version_id=version.version_id
                )
        if failure is not None:
            raise failure


def reason(error: BaseException) -> str:
    """Name what went wrong: status and code of the store's answer, or the class of the error."""
    if isinstance(error, StoreUnavailableError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, S3Error):
        return f"{error.response.status} {error.code}"
    return transport.reason(error)
