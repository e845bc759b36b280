"""Folders. Their names are in the order of code points, whatever the collation of the database."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres import operations
from django.db import migrations, models

import files.keys


def order_by_code_points(apps, schema_editor):
    if schema_editor.connection.vendor == 'postgresql':
        schema_editor.execute('ALTER TABLE folders ALTER name TYPE varchar(255) COLLATE "C"')


class AddConstraintNotValid(operations.AddConstraintNotValid):
    """On PostgreSQL the rows are looked at by the next migration, while others read and write."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == 'postgresql':
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddConstraint.database_forwards(self, app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    dependencies = [
        ('files', '0007_changes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Folder',
            fields=[
                ('id', models.UUIDField(default=files.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('deleted_at', models.DateTimeField(blank=True, null=True)),
                ('trashed_with', models.UUIDField(blank=True, help_text='The folder with which this one went to the trash.', null=True)),
                ('purged_at', models.DateTimeField(blank=True, null=True)),
                ('parent', models.ForeignKey(blank=True, help_text='Null: the top.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='files.folder')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='folders', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'folders',
            },
        ),
        migrations.RunPython(order_by_code_points, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='folder',
            index=models.Index(condition=models.Q(('deleted_at__isnull', False), ('purged_at', None), ('trashed_with', None)), fields=['user', 'name', 'id'], name='folders_trash'),
        ),
        migrations.AddIndex(
            model_name='folder',
            index=models.Index(condition=models.Q(('deleted_at__isnull', False), ('purged_at', None)), fields=['deleted_at'], name='folders_trash_age'),
        ),
        migrations.AddIndex(
            model_name='folder',
            index=models.Index(condition=models.Q(('purged_at__isnull', False)), fields=['purged_at'], name='folders_purged'),
        ),
        migrations.AddConstraint(
            model_name='folder',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at__isnull', True), ('parent__isnull', False)), fields=('user', 'parent', 'name'), name='folders_name'),
        ),
        migrations.AddConstraint(
            model_name='folder',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at__isnull', True), ('parent', None)), fields=('user', 'name'), name='folders_name_at_top'),
        ),
        migrations.AddConstraint(
            model_name='folder',
            constraint=models.CheckConstraint(condition=models.Q(('purged_at', None), ('deleted_at__isnull', False), _connector='OR'), name='folders_purged_not_present'),
        ),
        migrations.AddConstraint(
            model_name='folder',
            constraint=models.CheckConstraint(condition=models.Q(('trashed_with', None), ('deleted_at__isnull', False), _connector='OR'), name='folders_trashed_with_not_present'),
        ),
        migrations.AddField(
            model_name='file',
            name='folder',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Null: the top.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='files', to='files.folder'),
        ),
        migrations.AddField(
            model_name='file',
            name='trashed_with',
            field=models.UUIDField(blank=True, help_text='The folder with which the file went to the trash.', null=True),
        ),
        migrations.AddField(
            model_name='upload',
            name='folder',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Of a new file; null: the top.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='uploads', to='files.folder'),
        ),
        AddConstraintNotValid(
            model_name='file',
            constraint=models.CheckConstraint(condition=models.Q(('trashed_with', None), ('deleted_at__isnull', False), _connector='OR'), name='files_trashed_with_not_present'),
        ),
    ]
