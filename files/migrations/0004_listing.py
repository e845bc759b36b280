"""Replace the index of listings by one for each filter.

On PostgreSQL the indexes are made without blocking writes. After an interruption this can be
repeated: an index that is ready is kept, and one that is not is made anew.
"""

from django.db import NotSupportedError, ProgrammingError, migrations, models
from django.db.models import F, Q, Value
from django.db.models.functions import StrIndex, Substr, Upper

MEDIA_TYPE = Upper('content_type')
KIND = Upper(Substr('content_type', 1, StrIndex('content_type', Value('/'))))
PRESENT = Q(deleted_at__isnull=True)
TRASHED = Q(deleted_at__isnull=False)

# What was inserted lately stands in a list that each search reads: keep it short, in KiB.
NAMES = (
    'CREATE INDEX CONCURRENTLY files_name ON files USING gin (upper(name COLLATE "C") gin_trgm_ops)'
    ' WITH (gin_pending_list_limit = 64)'
)


def drop(schema_editor, name):
    concurrently = 'CONCURRENTLY' if schema_editor.connection.vendor == 'postgresql' else ''
    schema_editor.execute(f'DROP INDEX {concurrently} IF EXISTS {name}')


def is_ready(schema_editor, name):
    """Return whether PostgreSQL has the index; drop what an interruption left of it."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute('SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid', [name])
        if cursor.fetchone():
            return True
    drop(schema_editor, name)
    return False


def add(schema_editor, model, index):
    if schema_editor.connection.vendor != 'postgresql':
        drop(schema_editor, index.name)
        schema_editor.add_index(model, index)
    elif not is_ready(schema_editor, index.name):
        schema_editor.add_index(model, index, concurrently=True)


class AddIndex(migrations.AddIndex):
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        add(schema_editor, to_state.apps.get_model(app_label, self.model_name), self.index)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        drop(schema_editor, self.index.name)


class RemoveIndex(migrations.RemoveIndex):
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        drop(schema_editor, self.name)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        add(schema_editor, to_state.apps.get_model(app_label, self.model_name), index)


def listing(name, *filtered, condition):
    index = models.Index(F('user'), *filtered, F('created_at'), F('id'), name=name, condition=condition)
    return AddIndex(model_name='file', index=index)


def add_names(apps, schema_editor):
    if schema_editor.connection.vendor != 'postgresql' or is_ready(schema_editor, 'files_name'):
        return
    try:
        # A trusted one: the right to create in the database is enough.
        schema_editor.execute('CREATE EXTENSION IF NOT EXISTS pg_trgm')
        schema_editor.execute(NAMES)
    except (NotSupportedError, ProgrammingError) as error:
        # Not there, without the right to make it, or in a schema that is not searched.
        print(f'\n  No index for listings by name, which stay slow where files are many: {error}')
        print('  "Searching by name" in docx/deployment.md says how to add it later.')


def drop_names(apps, schema_editor):
    if schema_editor.connection.vendor == 'postgresql':
        drop(schema_editor, 'files_name')


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('files', '0003_limits'),
    ]

    operations = [
        listing('files_present', condition=PRESENT),
        listing('files_trash', condition=TRASHED),
        listing('files_type', MEDIA_TYPE, condition=PRESENT),
        listing('files_kind', KIND, condition=PRESENT),
        RemoveIndex(model_name='file', name='files_listing'),
        migrations.RunPython(add_names, drop_names),
    ]
