"""Queries that Django's compiler turns into SQL once, and statements that take one round trip.

Django compiles a queryset anew each time, which takes longer than all the rest of a short query.
Here its SQL is kept, and afterwards only values are put in: for the few queries of the hot paths,
all of which stand in `queries.py`. Rows become what the ORM makes of them: instances, or
dictionaries where the queryset ends with `values()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast
from uuid import UUID, uuid4

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.query import get_related_populators
from django.db.models.sql import UpdateQuery
from django.db.transaction import TransactionManagementError

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
"""No column has a number beyond these, and SQLite takes none."""

RowT = TypeVar("RowT")


class Statement(NamedTuple):
    """SQL with a `%s` for each of `params`, which are as the database's driver wants them."""

    sql: str
    params: tuple[Any, ...]
    name: str | None = None
    """What others that `execute` executes with it call the rows that it returns (PostgreSQL)."""


class CompiledQuery(Generic[RowT]):
    """A queryset that is compiled once, as a function of its parameters.

    `build` makes the queryset of the parameters, and is called once, with a sample of each: what
    the samples became in the SQL's parameters are the places of the values to come. So a parameter
    must be a value and no more: never None, which SQL compares in another way, and nothing that
    decides how the query looks.
    """

    def __init__(
        self, build: Callable[..., models.QuerySet[Any, RowT]], **parameters: type
    ) -> None:
        self.build = build
        self._parameters = parameters

    def all(self, **values: Any) -> list[RowT]:
        """Return the rows: one SELECT."""
        if any(
            isinstance(value, int) and not _LEAST <= value <= _MOST for value in values.values()
        ):
            return []
        plan = self._plan
        if plan.locks and not connection.in_atomic_block:
            raise TransactionManagementError("a row lock lasts as long as its transaction")
        if None in values.values():
            raise ValueError("None is compared in another way than a value")
        statement = plan.statement(values)
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.params)
            rows: Iterable[Any] = cursor.fetchall()
        return plan.made_of(rows)

    def one(self, **values: Any) -> RowT | None:
        """Return the only row, or None: one SELECT."""
        rows = self.all(**values)
        assert len(rows) <= 1  # noqa: S101
        return rows[0] if rows else None

    def statement(self, **values: Any) -> Statement:
        """Return what is sent to the database for these values."""
        return self._plan.statement(values)

    @cached_property
    def _plan(self) -> _Plan[RowT]:
        samples = {name: _sample(kind) for name, kind in self._parameters.items()}
        queryset = self.build(**samples)
        locks = queryset.query.select_for_update
        compiler = queryset.query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        names = {_adapted(sample): name for name, sample in samples.items()}
        slots = tuple((names.get(param), param) for param in params)
        missing = samples.keys() - {name for name, _ in slots}
        if missing:
            raise ValueError(f"the query does not depend on {', '.join(sorted(missing))}")
        converters = compiler.get_converters([column[0] for column in compiler.select])
        if queryset.query.values_select:
            return _Plan(sql, slots, locks, converters, _dictionaries(queryset.query.values_select))
        return _Plan(sql, slots, locks, converters, _instances(compiler))


@dataclass(frozen=True)
class _Plan(Generic[RowT]):
    """What Django's compiler found out about a query."""

    sql: str
    slots: tuple[tuple[str | None, Any], ...]
    """For each parameter of the SQL the name of the value that goes there; None for a constant."""
    locks: bool
    converters: Mapping[int, tuple[list[Any], Any]]
    """By the position of the column; on PostgreSQL there are none."""
    make: Callable[[Any], RowT]
    """Makes of a row what the queryset gives."""

    def statement(self, values: Mapping[str, Any]) -> Statement:
        given = {name: _adapted(value) for name, value in values.items()}
        return Statement(
            self.sql,
            tuple(constant if name is None else given[name] for name, constant in self.slots),
        )

    def made_of(self, rows: Iterable[Any]) -> list[RowT]:
        if self.converters:
            rows = map(self._converted, rows)
        return [self.make(row) for row in rows]

    def _converted(self, row: Any) -> Any:
        row = list(row)
        for position, (converters, expression) in self.converters.items():
            for convert in converters:
                row[position] = convert(row[position], expression, connection)
        return row


def _instances(compiler: Any) -> Callable[[Any], Any]:
    """Return what makes an instance of a row, with its related ones."""
    info, select = compiler.klass_info, compiler.select
    model, columns = info["model"], slice(info["select_fields"][0], info["select_fields"][-1] + 1)
    names = [column[0].target.attname for column in select[columns]]
    # The stubs are those of a later Django.
    populators = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]

    def instance(row: Any) -> Any:
        made = model.from_db(connection.alias, names, row[columns])
        for populator in populators:
            populator.populate(row, made)
        return made

    return instance


def _dictionaries(names: Sequence[str]) -> Callable[[Any], Any]:
    return lambda row: dict(zip(names, row, strict=True))


def insert(instance: models.Model) -> Statement:
    """Return the INSERT of a new row with all its columns; `instance` counts as saved then."""
    sql, fields = _insert(type(instance))
    instance._state.adding = False
    instance._state.db = connection.alias
    return Statement(sql, _prepared(instance, fields))


def update(instance: models.Model, *names: str) -> Statement:
    """Return the UPDATE of these fields of a row."""
    sql, fields = _update(type(instance), names)
    return Statement(sql, _prepared(instance, fields))


def add(model: type[models.Model], pk: Any, **deltas: int) -> Statement:
    """Return the UPDATE that adds to columns of a row, down to 0; what is null stays null."""
    primary_key = model._meta.pk
    fields = [cast("_Field", model._meta.get_field(name)) for name in deltas]
    changes = ", ".join(
        f"{name} = CASE WHEN {name} + %s < 0 THEN 0 ELSE {name} + %s END"
        for name in map(_column, fields)
    )
    table = connection.ops.quote_name(model._meta.db_table)
    sql = f"UPDATE {table} SET {changes} WHERE {_column(primary_key)} = %s"  # noqa: S608
    twice = (delta for delta in deltas.values() for _ in range(2))
    return Statement(sql, (*twice, primary_key.get_db_prep_save(pk, connection)))


def update_all(rows: models.QuerySet[Any], **values: Any) -> list[Any]:
    """Update `rows` and return the primary keys of those that were, in no order: one UPDATE.

    The rows must be told by columns of their own table, or by subqueries.
    """
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(values)
    primary_key = rows.model._meta.pk
    try:
        sql, params = query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {_column(primary_key)}", params)
        return [primary_key.to_python(row[0]) for row in cursor.fetchall()]


def execute(*statements: Statement) -> None:
    """Execute statements that change data, none of which looks at what another one changes.

    On PostgreSQL that is one statement, and one round trip: all but the last become WITH queries
    ("Data-Modifying Statements in WITH"). Foreign keys are checked at the end of the transaction.
    """
    if connection.vendor == "postgresql" and len(statements) > 1:
        *first, last = statements
        queries = ", ".join(
            f"{each.name or f's{at}'} AS ({each.sql})" for at, each in enumerate(first)
        )
        params = tuple(param for each in statements for param in each.params)
        statements = (Statement(f"WITH {queries} {last.sql}", params),)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.sql, statement.params)


def _sample(kind: Any) -> Any:
    """Return a value that is found nowhere else."""
    identifier = uuid4()
    if issubclass(kind, models.Model):
        return kind(pk=identifier)
    if kind is datetime:
        return datetime.fromtimestamp(identifier.int % 2**31, UTC)
    return identifier if kind is UUID else kind(identifier.int % 2**62)


def _adapted(value: Any) -> Any:
    """Return a parameter as Django would hand it to the database's driver."""
    if isinstance(value, models.Model):
        value = value.pk
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


_Field: TypeAlias = "models.Field[Any, Any]"
_Fields: TypeAlias = "tuple[models.Field[Any, Any], ...]"


def _prepared(instance: models.Model, fields: _Fields) -> tuple[Any, ...]:
    return tuple(
        field.get_db_prep_save(getattr(instance, field.attname), connection) for field in fields
    )


@cache
def _insert(model: type[models.Model]) -> tuple[str, _Fields]:
    fields = tuple(field for field in model._meta.local_concrete_fields if not field.generated)
    columns = ", ".join(map(_column, fields))
    places = ", ".join(["%s"] * len(fields))
    table = connection.ops.quote_name(model._meta.db_table)
    return f"INSERT INTO {table} ({columns}) VALUES ({places})", fields  # noqa: S608


@cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> tuple[str, _Fields]:
    primary_key = model._meta.pk
    fields = tuple(cast("_Field", model._meta.get_field(name)) for name in names)
    changes = ", ".join(f"{_column(field)} = %s" for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    sql = f"UPDATE {table} SET {changes} WHERE {_column(primary_key)} = %s"  # noqa: S608
    return sql, (*fields, primary_key)


def _column(field: _Field) -> str:
    return connection.ops.quote_name(str(field.column))
