"""The whole document, made once in each process."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import orjson
import yaml
from drf_spectacular.generators import SchemaGenerator

from files.api.schema import examples, links, problems, service
from files.api.schema.inspector import OperationSchema
from files.models import Integrity
from remotedrive.made_once import made_once

Schema = dict[str, Any]
_SHARED_FROM = 3
"""How often a response must occur to be a component."""


class _Generator(SchemaGenerator):
    def create_view(self, *arguments: Any) -> Any:
        # REST framework's setting would import the inspector when the service starts.
        view = super().create_view(*arguments)
        self._set_schema_to_view(view, OperationSchema())
        return view


@cache
def as_json() -> bytes:
    """Return the document as JSON."""
    return orjson.dumps(document())


@cache
def as_yaml() -> bytes:
    """Return the document as YAML, with its members in their own order."""
    text: str = yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=100
    )
    return text.encode()


@made_once
def document() -> Schema:
    """Return the document."""
    made: Schema = _Generator().get_schema(public=True)
    made["paths"] = dict(sorted((made["paths"] | service.paths()).items()))
    known = "".join(f"\n- `{value}`: {label}" for value, label in Integrity.choices)
    made["components"]["schemas"]["Integrity"]["description"] = f"{Integrity.__doc__}\n{known}"
    links.add(made)
    examples.add(made)
    _share_responses(made)
    made["components"] = dict(sorted(made["components"].items()))
    return made


def _share_responses(made: Schema) -> None:
    """Make components of the problems: the responses that many operations have, and examples."""
    responses = [
        (operation["responses"], status)
        for operations in made["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
        if int(status) >= 400
    ]
    made["components"]["examples"] = problems.examples(
        code
        for of_operation, status in responses
        for code in of_operation[status]["content"]["application/problem+json"]["examples"]
    )
    written = Counter(orjson.dumps(each[status]) for each, status in responses)
    shared: Schema = {}
    for of_operation, status in responses:
        response = of_operation[status]
        if written[orjson.dumps(response)] >= _SHARED_FROM:
            codes = response["content"]["application/problem+json"]["examples"]
            name = ".".join([status, *codes, *(["page"] if len(response["content"]) > 1 else [])])
            shared[name] = response
            of_operation[status] = {"$ref": f"#/components/responses/{name}"}
    made["components"]["responses"] = dict(sorted(shared.items()))


class _Dumper(yaml.SafeDumper):
    """Writes what is equal twice, not as an alias of the first."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
