"""The four requests, and their paths."""

from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.shortcuts import get_object_or_404
from django.urls import include, path
from django.utils import timezone
from minio import Minio
from minio.error import S3Error
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers.drf.models import File, FileVersion, Upload

BUCKET = settings.MINIO_BUCKET
minio = Minio(
    urlsplit(settings.MINIO_ENDPOINT).netloc,
    access_key=settings.MINIO_ACCESS_KEY,
    secret_key=settings.MINIO_SECRET_KEY,
    secure=False,
    region="us-east-1",
)


class NewUploadSerializer(serializers.Serializer):
    filename = serializers.CharField(max_length=255)
    size = serializers.IntegerField(min_value=0)
    content_type = serializers.CharField(default="application/octet-stream")
    checksum = serializers.CharField(default=None)


class NewVersionSerializer(serializers.Serializer):
    key = serializers.CharField()
    size = serializers.IntegerField(min_value=0)
    checksum = serializers.CharField()


class FileSerializer(serializers.ModelSerializer):
    class Meta:
        model = File
        exclude = ["user"]


class VersionSerializer(serializers.ModelSerializer):
    class Meta:
        model = FileVersion
        fields = ["version", "size", "content_type", "checksum", "integrity", "created_at"]


class InitUpload(APIView):
    def post(self, request):
        serializer = NewUploadSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        now = timezone.now()
        upload = Upload(
            user=request.user, commit_by=now + timedelta(days=1), **serializer.validated_data
        )
        upload.key = f"uploads/{now:%Y/%m/%d}/{upload.id}"
        upload.save(force_insert=True)
        lifetime = timedelta(seconds=900)
        url = minio.presigned_put_object(BUCKET, upload.key, expires=lifetime)
        answer = {"upload_id": upload.id, "key": upload.key, "presigned_put_url": url}
        return Response(answer | {"headers": {}, "expires_at": now + lifetime}, status=201)


class Download(APIView):
    def get(self, request, file_id):
        versions = FileVersion.objects.select_related("file").filter(
            file__user=request.user, file__deleted_at=None
        )
        version = get_object_or_404(versions, file=file_id, version=F("file__version_current"))
        lifetime = timedelta(seconds=300)
        name = version.file.name
        url = minio.presigned_get_object(
            *(BUCKET, version.key),
            expires=lifetime,
            version_id=version.store_version_id,
            response_headers={"response-content-disposition": f'attachment; filename="{name}"'},
        )
        answer = {"presigned_get_url": url, "expires_at": timezone.now() + lifetime}
        return Response(answer | {"filename": name} | VersionSerializer(version).data)


class Pages(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    ordering = ("-created_at", "-id")


class ListFiles(ListAPIView):
    serializer_class = FileSerializer
    pagination_class = Pages

    def get_queryset(self):
        return File.objects.filter(user=self.request.user, deleted_at=None)


class Commit(APIView):
    def post(self, request):
        serializer = NewVersionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        new = serializer.validated_data
        upload = get_object_or_404(Upload, user=request.user, key=new["key"], state="pending")
        try:
            stored = minio.stat_object(BUCKET, upload.key)
        except S3Error:
            return Response(status=409)
        if stored.size != new["size"]:
            return Response(status=422)
        common = {"size": stored.size, "content_type": upload.content_type}
        common |= {"checksum": new["checksum"]}
        with transaction.atomic():
            upload = Upload.objects.select_for_update().get(pk=upload.pk)
            file = File(user=request.user, name=upload.filename, key_current=upload.key, **common)
            file.save(force_insert=True)
            version = FileVersion(
                file=file,
                key=upload.key,
                store_version_id=stored.version_id,
                etag=stored.etag,
                created_by=request.user,
                **common,
            )
            version.save(force_insert=True)
            upload.state, upload.file_version = "committed", version
            upload.save(update_fields=["state", "file_version"])
        answer = {"fileId": file.id, "key": upload.key, "name": file.name}
        return Response(answer | VersionSerializer(version).data, status=201)


_of_files = [
    path("init-upload", InitUpload.as_view()),
    path("commit", Commit.as_view()),
    path("<uuid:file_id>/download", Download.as_view()),
]
urlpatterns = [
    path("files", ListFiles.as_view()),
    path("files/", include(_of_files)),
]
