"""The indexes of what 0008 added; on PostgreSQL made without blocking writes, and repeatable."""

from importlib import import_module

from django.contrib.postgres import operations
from django.db import migrations, models
from django.db.models import F, Q

_listing = import_module('files.migrations.0004_listing')
AddIndex, RemoveIndex = _listing.AddIndex, _listing.RemoveIndex

# As that of 0004, but for present files only: what goes to the trash costs it nothing.
NAMES = (
    'CREATE INDEX CONCURRENTLY files_name_present ON files USING gin (upper(name COLLATE "C") gin_trgm_ops)'
    ' WITH (gin_pending_list_limit = 64) WHERE deleted_at IS NULL'
)


def narrow_names(apps, schema_editor):
    if schema_editor.connection.vendor != 'postgresql':
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('files_name') AND indpred IS NULL")
        has_all_files = cursor.fetchone()
    if has_all_files:
        if not _listing.is_ready(schema_editor, 'files_name_present'):
            schema_editor.execute(NAMES)
        _listing.drop(schema_editor, 'files_name')
    schema_editor.execute('ALTER INDEX IF EXISTS files_name_present RENAME TO files_name')


class ValidateConstraint(operations.ValidateConstraint):
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == 'postgresql':
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('files', '0008_folders'),
    ]

    operations = [
        AddIndex(
            model_name='file',
            index=models.Index(F('user'), F('created_at'), F('id'), condition=Q(('deleted_at__isnull', False), ('trashed_with__isnull', True)), name='files_trashed'),
        ),
        RemoveIndex(
            model_name='file',
            name='files_trash',
        ),
        AddIndex(
            model_name='file',
            index=models.Index(F('user'), F('created_at'), F('id'), condition=Q(('deleted_at__isnull', True), ('folder__isnull', True)), name='files_top'),
        ),
        AddIndex(
            model_name='file',
            index=models.Index(F('folder'), F('created_at'), F('id'), condition=Q(('deleted_at__isnull', True), ('folder__isnull', False)), name='files_folder'),
        ),
        AddIndex(
            model_name='file',
            index=models.Index(condition=Q(('deleted_at__isnull', True), ('folder__isnull', True)), fields=['user', 'name'], name='files_name_at_top'),
        ),
        AddIndex(
            model_name='file',
            index=models.Index(condition=Q(('folder__isnull', False)), fields=['folder', 'name'], name='files_name_in_folder'),
        ),
        AddIndex(
            model_name='upload',
            index=models.Index(condition=Q(('folder__isnull', False)), fields=['folder'], name='uploads_folder'),
        ),
        migrations.RunPython(narrow_names, migrations.RunPython.noop),
        ValidateConstraint(model_name='file', name='files_trashed_with_not_present'),
    ]
