"""Sets up Swift: its configuration, its rings, and the WSGI applications made from them.

All data is in one folder: ``swift/`` (swift.conf and the rings) and ``disk/d0/`` (the
objects and databases). Keys are never written to it.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from swift.common import constraints, storage_policy, utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import ConfigString, loadapp

from embedded_store.filters.keys import Credentials

STORAGE_KINDS = ("account", "container", "object")
DEVICE = "d0"

# The hash suffix is part of every object's path, so it must never change.
SWIFT_CONF = """\
[swift-hash]
swift_hash_path_suffix = {suffix}
[swift-constraints]
max_header_size = 32768
"""

# disable_fallocate: Edge checks the free space; Swift's own reserve would stop the small second
# write that makes a version the current one.
# The timeouts: with Swift's own (0.5 s to connect) one process on a busy machine would time out on
# itself, and listings would miss objects, because no updater runs.
STORAGE = """
[DEFAULT]
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
conn_timeout = 10
node_timeout = 60
container_update_timeout = 60
"""

# Swift itself adds gatekeeper and dlo. The order matters:
# - once is left of slo and versioned_writes, which would check and store first;
# - versioned_writes is left of symlink, which it uses to make the current version;
# - bulk is left out: it responds before authentication.
PIPELINE = """
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats s3api keys copy once slo \
versioned_writes symlink proxy-server
"""

# - error_suppression_interval: one 507 would disable the only disk for 60 s.
# - dns_compliant_bucket_names: permit the bucket names that MinIO permits.
# - allow_async_delete: no daemon runs to delete the parts later.
# - rate_limit_under_size: otherwise small parts are read at one a second.
# - max_upload_part_num and max_manifest_*: S3's 10,000 parts.
PROXY = """
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 10
node_timeout = 60
recoverable_node_timeout = 60
error_suppression_interval = 0
[filter:s3api]
paste.filter_factory = embedded_store.filters.signed:filter_factory
location = us-east-1
s3_acl = false
dns_compliant_bucket_names = false
max_upload_part_num = 10000
[filter:slo]
use = egg:swift#slo
allow_async_delete = false
rate_limit_under_size = 0
max_manifest_segments = 10000
max_manifest_size = 8388608
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:cache]
paste.filter_factory = embedded_store.filters.cache:filter_factory
[filter:keys]
paste.filter_factory = embedded_store.filters.keys:filter_factory
[filter:once]
paste.filter_factory = embedded_store.filters.once:filter_factory
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:copy]
use = egg:swift#copy
[filter:symlink]
use = egg:swift#symlink
"""


def prepare(data: Path) -> None:
    """Make missing folders and swift.conf under ``data``, and make Swift use them.

    Swift's modules read the path of swift.conf at import: set it, validate it, then reload the
    modules that depend on it, in this order.
    """
    (data / "disk" / DEVICE).mkdir(parents=True, exist_ok=True)
    configuration = data / "swift" / "swift.conf"
    configuration.parent.mkdir(exist_ok=True)
    if not configuration.exists():
        _write_at_once(configuration, SWIFT_CONF.format(suffix=secrets.token_hex(16)))
    utils.SWIFT_CONF_FILE = str(configuration)
    utils.HASH_PATH_SUFFIX = utils.HASH_PATH_PREFIX = b""
    utils.validate_configuration()
    constraints.reload_constraints()
    storage_policy.reload_storage_policies()


def write_ring(data: Path, kind: str, port: int) -> None:
    """Write the ring that names ``port`` for this kind of server; needed at every start."""
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    builder.add_dev(
        {
            "id": 0,
            "region": 1,
            "zone": 1,
            "ip": "127.0.0.1",
            "port": port,
            "device": DEVICE,
            "weight": 1.0,
        }
    )
    builder.rebalance()
    builder.get_ring().save(str(data / "swift" / f"{kind}.ring.gz"))


def storage_application(data: Path, kind: str, log_level: str) -> WSGIApplication:
    """Return the account, container or object server."""
    text = STORAGE.format(kind=kind)
    return _load(text, data, log_level)


def s3_application(data: Path, credentials: Credentials, log_level: str) -> WSGIApplication:
    """Return the proxy server with the S3 API; write the rings first."""
    return _load(PIPELINE + PROXY, data, log_level, credentials=credentials)


def _load(text: str, data: Path, log_level: str, **more: object) -> WSGIApplication:
    """Return an application made from configuration text.

    External values are passed as objects, because Swift would parse a ``%(`` or a line break in
    the text.
    """
    outside: dict[str, Any] = {
        "swift_dir": str(data / "swift"),
        "devices": str(data / "disk"),
        "log_level": log_level,
        "log_name": "embedded-store",
        **more,
    }
    application: WSGIApplication = loadapp(ConfigString(text), global_conf=outside)
    return application


def _write_at_once(path: Path, text: str) -> None:
    """Write the file atomically and durably."""
    unfinished = path.with_suffix(".new")
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    utils.fsync_dir(str(path.parent))
