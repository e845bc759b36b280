"""Compares signatures per second of files/store/presign.py, minio-py and boto3, without a store.

    python benchmarks/presign.py [rounds]

Every round times all of them in turn, so that a busy machine slows all alike; ratios are taken
within a round. All sign `host` of the PUT. boto3 also signs the length and the checksum; ours signs
these and the algorithm header.
"""

import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import boto3
from botocore.config import Config
from minio import Minio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from files import checksums
from files.store.presign import Presigner

HOST = "127.0.0.1:9000"
REGION = "us-east-1"
BUCKET = "drive"
ACCESS_KEY, SECRET_KEY = "benchmark", "benchmark-secret"
KEY = "uploads/2026/03/14/01KKNZ7Z5M9J4S2N1D8Q0V6XBT-0a1b2c3d-report.pdf"
SIZE = 1_048_576
CHECKSUM = "sha256:" + "0f" * 32
EXPIRES_IN = 900
SECONDS_EACH = 0.4

OURS, OURS_LENGTH, MINIO, BOTO3 = "ours", "ours, length only", "minio-py, host only", "boto3"


def signers() -> dict[str, Callable[[], object]]:
    ours = Presigner(
        endpoint=f"http://{HOST}",
        region=REGION,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        bucket=BUCKET,
    )
    # With the region given, minio-py does not ask the store for it.
    minio = Minio(HOST, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, region=REGION)
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    parameters = {
        "Bucket": BUCKET,
        "Key": KEY,
        "ContentLength": SIZE,
        "ChecksumSHA256": checksums.to_base64(CHECKSUM),
        "IfNoneMatch": "*",
    }
    lifetime = timedelta(seconds=EXPIRES_IN)
    return {
        OURS: lambda: ours.put(KEY, size=SIZE, checksum=CHECKSUM, expires_in=EXPIRES_IN),
        OURS_LENGTH: lambda: ours.put(KEY, size=SIZE, checksum=None, expires_in=EXPIRES_IN),
        MINIO: lambda: minio.presigned_put_object(BUCKET, KEY, expires=lifetime),
        BOTO3: lambda: s3.generate_presigned_url(
            "put_object", Params=parameters, ExpiresIn=EXPIRES_IN
        ),
    }


def rate(sign: Callable[[], object]) -> float:
    """Calls per second of this process's CPU time, over at least SECONDS_EACH."""
    calls = 0
    start = time.process_time()
    while (elapsed := time.process_time() - start) < SECONDS_EACH:
        for _ in range(100):
            sign()
        calls += 100
    return calls / elapsed


def spread(values: list[float], digits: int) -> str:
    return (
        f"{statistics.median(values):>9,.{digits}f}"
        f"  ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    )


def main(rounds: int) -> None:
    contenders = signers()
    for sign in contenders.values():
        sign()  # warm up imports and caches
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, sign in contenders.items():
            rates[name].append(rate(sign))

    print(f"presigned PUTs, {rounds} rounds: median (min to max)\n")
    for name, values in rates.items():
        print(f"{name:<30}{spread(values, 0)} per CPU second")
    print()
    for mine, other in ((OURS, MINIO), (OURS_LENGTH, MINIO), (OURS, BOTO3)):
        ratios = [a / b for a, b in zip(rates[mine], rates[other], strict=True)]
        print(f"{f'{mine} / {other}':<38}{spread(ratios, 1)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
