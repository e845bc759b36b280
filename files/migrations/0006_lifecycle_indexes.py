"""The indexes of what 0005 added; on PostgreSQL made without blocking writes, and repeatable."""

from importlib import import_module

from django.db import migrations, models

_listing = import_module('files.migrations.0004_listing')
AddIndex, RemoveIndex = _listing.AddIndex, _listing.RemoveIndex


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('files', '0005_lifecycle'),
    ]

    operations = [
        RemoveIndex(
            model_name='upload',
            name='uploads_due',
        ),
        AddIndex(
            model_name='file',
            index=models.Index(condition=models.Q(('deleted_at__isnull', False), ('purged_at', None)), fields=['deleted_at'], name='files_trash_age'),
        ),
        AddIndex(
            model_name='file',
            index=models.Index(condition=models.Q(('purged_at__isnull', False)), fields=['purged_at'], name='files_purged'),
        ),
        AddIndex(
            model_name='fileversion',
            index=models.Index(fields=['key'], name='file_versions_key'),
        ),
        AddIndex(
            model_name='fileversion',
            index=models.Index(condition=models.Q(('collected_at', None), ('purged_at__isnull', False)), fields=['purged_at'], name='file_versions_purged'),
        ),
        AddIndex(
            model_name='upload',
            index=models.Index(condition=models.Q(('collected_at', None), ('state__in', ['pending', 'aborted'])), fields=['commit_by'], name='uploads_due'),
        ),
    ]
