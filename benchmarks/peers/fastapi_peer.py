"""The first peer: FastAPI, a pool of psycopg connections, boto3. Served by uvicorn."""

import os
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import boto3
import jwt
from botocore.config import Config
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.concurrency import run_in_threadpool
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

SECRET, BUCKET = os.environ["JWT_SECRET"], os.environ["MINIO_BUCKET"]
pool = AsyncConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=16,
    max_size=16,
    open=False,
    kwargs={"row_factory": dict_row},
)
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["MINIO_ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id=os.environ["MINIO_ACCESS_KEY"],
    aws_secret_access_key=os.environ["MINIO_SECRET_KEY"],
    config=Config(
        signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=16
    ),
)


@asynccontextmanager
async def lifespan(_app):
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


class NewUpload(BaseModel):
    filename: str
    size: int
    content_type: str = "application/octet-stream"
    checksum: str | None = None


class NewVersion(BaseModel):
    key: str
    size: int
    checksum: str


class File(BaseModel):
    id: uuid.UUID
    name: str
    size: int
    content_type: str
    checksum: str
    integrity: str
    version_current: int
    key_current: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class Page(BaseModel):
    next: str | None
    results: list[File]


async def fetch(statement, *values):
    async with pool.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def current_user(authorization: Annotated[str, Header()]):
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    users = await fetch("SELECT * FROM users WHERE subject = %s AND is_active", claims["sub"])
    if not users:
        raise HTTPException(401)
    return users[0]


User = Annotated[dict, Depends(current_user)]


def sign(method, seconds, **parameters):
    return s3.generate_presigned_url(method, {"Bucket": BUCKET, **parameters}, ExpiresIn=seconds)


@app.post("/files/init-upload", status_code=201)
async def init_upload(new: NewUpload, user: User):
    upload_id, now = uuid.uuid4(), datetime.now(UTC)
    key = f"uploads/{now:%Y/%m/%d}/{upload_id}"
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO uploads (id, user_id, key, filename, content_type, size, checksum, state,"
            " commit_by, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'pending', %s, %s)",
            [
                *(upload_id, user["id"], key, new.filename, new.content_type, new.size),
                *(new.checksum, now + timedelta(days=1), now),
            ],
        )
    url = sign("put_object", 900, Key=key, ContentLength=new.size)
    expires_at = now + timedelta(seconds=900)
    return {
        "upload_id": upload_id,
        "key": key,
        "presigned_put_url": url,
        "headers": {},
        "expires_at": expires_at,
    }


@app.get("/files/{file_id}/download")
async def download(file_id: uuid.UUID, user: User):
    found = await fetch(
        "SELECT v.*, f.name FROM files f JOIN file_versions v"
        " ON v.file_id = f.id AND v.version = f.version_current"
        " WHERE f.id = %s AND f.user_id = %s AND f.deleted_at IS NULL",
        *(file_id, user["id"]),
    )
    if not found:
        raise HTTPException(404)
    version = found[0]
    url = sign(
        *("get_object", 300),
        Key=version["key"],
        VersionId=version["store_version_id"],
        ResponseContentDisposition=f'attachment; filename="{version["name"]}"',
    )
    shown = ("size", "content_type", "checksum", "integrity", "version")
    return {
        "presigned_get_url": url,
        "expires_at": datetime.now(UTC) + timedelta(seconds=300),
        "filename": version["name"],
        **{name: version[name] for name in shown},
    }


@app.get("/files")
async def list_files(user: User, cursor: str | None = None, page_size: int = 50) -> Page:
    beyond, values = "", []
    if cursor:
        beyond = "AND (created_at, id) < (%s, %s)"
        values = urlsafe_b64decode(cursor).decode().split("|")
    files = await fetch(
        f"SELECT * FROM files WHERE user_id = %s AND deleted_at IS NULL {beyond}"
        " ORDER BY created_at DESC, id DESC LIMIT %s",
        *(user["id"], *values, page_size + 1),
    )
    shown, onward = files[:page_size], None
    if len(files) > page_size:
        last = shown[-1]
        onward = urlsafe_b64encode(f"{last['created_at']}|{last['id']}".encode()).decode()
    return {"next": onward, "results": shown}


@app.post("/files/commit", status_code=201)
async def commit(new: NewVersion, user: User):
    found = await fetch(
        "SELECT * FROM uploads WHERE key = %s AND user_id = %s AND state = 'pending'",
        *(new.key, user["id"]),
    )
    if not found:
        raise HTTPException(404)
    upload = found[0]
    try:
        stored = await run_in_threadpool(s3.head_object, Bucket=BUCKET, Key=new.key)
    except s3.exceptions.ClientError as error:
        raise HTTPException(409) from error
    if stored["ContentLength"] != new.size:
        raise HTTPException(422)
    file_id, version_id, now = uuid.uuid4(), uuid.uuid4(), datetime.now(UTC)
    common = (upload["content_type"], new.size, new.checksum, "declared")
    async with pool.connection() as connection:
        await connection.execute("SELECT 1 FROM uploads WHERE id = %s FOR UPDATE", [upload["id"]])
        await connection.execute(
            "INSERT INTO files (id, user_id, name, content_type, size, checksum, integrity,"
            " key_current, version_current, created_at, updated_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, %s, %s)",
            (file_id, user["id"], upload["filename"], *common, new.key, now, now),
        )
        await connection.execute(
            "INSERT INTO file_versions (id, file_id, version, key, store_version_id, etag,"
            " content_type, size, checksum, integrity, created_by_id, created_at)"
            " VALUES (%s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(version_id, file_id, new.key, stored["VersionId"], stored["ETag"].strip('"')),
                *(*common, user["id"], now),
            ],
        )
        await connection.execute(
            "UPDATE uploads SET state = 'committed', file_version_id = %s WHERE id = %s",
            (version_id, upload["id"]),
        )
    return {
        "fileId": file_id,
        "version": 1,
        "key": new.key,
        "name": upload["filename"],
        "size": new.size,
        "content_type": upload["content_type"],
        "checksum": new.checksum,
        "integrity": "declared",
        "created_at": now,
    }
