"""Swift's S3 API, which verifies the signature before it looks at what is asked for.

Swift alone leaves the signature to the filters right of it, and they never see what it answers by
itself: ``?tagging``, ``?policy``, ``?torrent``… What makes a request invalid in itself, such as an
expired date, a bad bucket name or an unsupported header, is still refused before the signature.
"""

from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from swift.common.middleware.s3api.s3api import ListingEtagMiddleware, S3ApiMiddleware
from swift.common.middleware.s3api.s3api import filter_factory as swift_filter_factory
from swift.common.middleware.s3api.s3response import SignatureDoesNotMatch

from embedded_store.filters.keys import Credentials


class SignedS3Api(S3ApiMiddleware):  # type: ignore[misc]
    """The ``s3api`` filter of the pipeline."""

    def __init__(
        self, app: WSGIApplication, configuration: dict[str, Any], credentials: Credentials
    ) -> None:
        super().__init__(app, configuration)
        self.credentials = credentials

    def handle_request(self, request: Any) -> Any:
        """Return the response to a parsed request. Raises SignatureDoesNotMatch."""
        if not self.credentials.signed(request.environ["s3api.auth_details"]):
            raise SignatureDoesNotMatch(**request.signature_does_not_match_kwargs())
        return super().handle_request(request)


def filter_factory(
    global_conf: dict[str, Any], **local_conf: str
) -> Callable[[WSGIApplication], SignedS3Api]:
    """Return the ``s3api`` filter with the options of Swift's own."""
    # For what it registers: the options that Swift announces, and what its log leaves out.
    swift_filter_factory(global_conf, **local_conf)
    configuration = {**global_conf, **local_conf}
    credentials = global_conf["credentials"]
    return lambda app: SignedS3Api(ListingEtagMiddleware(app), configuration, credentials)
