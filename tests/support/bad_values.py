"""Values that no field of a kind takes, as JSON texts: what is refused must be refused everywhere.

`null` is left out: it is the test of each member whether it may be left out.
"""

from __future__ import annotations

import json

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def _texts(*values: object) -> list[str]:
    return [json.dumps(value) for value in values]


_NOT_STRINGS = _texts(1, 0, 1.5, True, [], ["a"], {}, {"a": "b"})
_SURROGATES = ['"a\\ud800"', '"a\\udfff"', '"a\\udc00\\ud800"']
_NOT_INTEGERS = [
    '"1"',
    "1.0",
    "1e0",
    "1e3",
    "0.5",
    "-0.0",
    "true",
    "false",
    '""',
    "[]",
    "[1]",
    "{}",
]
_NOT_INTEGERS += ['"1_000"', '"１２"']
_TOO_LARGE = ["9223372036854775808", "1" + "0" * 30, "1" + "0" * 400]

NAMES = _NOT_STRINGS + _SURROGATES
NAMES += _texts(
    "",
    " ",
    "\u2003\u3000",
    "\u3000\u00a0",
    ".",
    "..",
    "\u200e",
    "\u200f \u061c",
    "\u200e..",
    "\ufe0f",
    "\u034f\u3164",
    "\u2800",
    "\U000e0100 ",
)
NAMES += _texts(
    "a/b", "../a", "/", "a\\b", "a\0b", "a\nb", "a\rb", "a\r\nb", "a\tb", "a\x7fb", "a\x85b"
)
NAMES += _texts("a\u2028b", "a\u202ab", "a\u202eb", "a\u2066b", "a\u2069b", "a" * 256, "🙂" * 256)
NAMES += _texts("e\u0301" * 256, "x" * 60_000)

SIZES = [*_NOT_INTEGERS, *_TOO_LARGE, "-1", "-1" + "0" * 30]
VERSIONS = [*_NOT_INTEGERS, *_TOO_LARGE, "0", "-1"]
COUNTS = VERSIONS
BOOLEANS = ['"true"', "1", "0", '""', "[]", "{}"]

MEDIA_TYPES = _NOT_STRINGS + _SURROGATES
MEDIA_TYPES += _texts("text", "/", "text/", "/plain", "text/plain/x", "text /plain", " text/plain")
MEDIA_TYPES += _texts(
    "text/plain ", "text/plain\n", "text/plain\r\nX: y", "text/plain\0", "täxt/plain"
)
MEDIA_TYPES += _texts(
    "text/plain; charset", "text/plain; a b", "text/plain; =b", 'text/plain; a="b'
)
MEDIA_TYPES += _texts("text/plain, text/html", "*/*, a", "*", "text/" + "x" * 251)

CHECKSUMS = _NOT_STRINGS + _SURROGATES
CHECKSUMS += _texts("", "sha256:", "0" * 63, "0" * 65, "g" * 64, " " + "0" * 64, "0" * 64 + "\n")
CHECKSUMS += _texts("sha256:" + "0" * 63, "md5:" + "0" * 32, "md5:" + "0" * 64)
CHECKSUMS += _texts("sha256: " + "0" * 64, "sha256:sha256:" + "0" * 64)
CHECKSUMS += _texts("sha256:" + "0" * 62 + "０0", "sha256:" + "0" * 60_000)

UUIDS = _NOT_STRINGS + _SURROGATES
UUIDS += _texts("", "7", "x", "\0", ID.replace("-", ""), "{" + ID + "}", "urn:uuid:" + ID)
UUIDS += _texts(ID + " ", "../" + ID)

KEYS = [*_NOT_STRINGS, *_SURROGATES, *_texts("", "a" * 1025, "uploads/\0")]
PASSWORDS = [*_NOT_STRINGS, *_SURROGATES, *_texts("", "x" * 257, "a\0b")]
PERMISSIONS = [*_NOT_STRINGS, *_texts("", "READ", "admin", "read,write")]

PART_NUMBERS = [
    '"1"',
    "1",
    "1.0",
    "true",
    '""',
    "[]",
    "{}",
    "[0]",
    "[-1]",
    "[10001]",
    '["1"]',
    "[1.0]",
    "[true]",
]
PART_NUMBERS += ["[null]", "[[1]]", "[1, 1]", json.dumps(list(range(1, 102)))]

EXPIRIES = _NOT_STRINGS + _SURROGATES
EXPIRIES += _texts("", "tomorrow", "2035-01-31", "2035-01-31T12:00:00", "2035-02-30T00:00:00Z")
EXPIRIES += _texts("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00")

HOSTILE_NAMES = [
    '<script src="x.js"></script>.txt',
    "\"'><img src=x onerror=alert(1)>",
    "{{ share }}{% debug %} & &amp; &#60;.txt",
    "]]>--><svg onload=1>",
]
"""Names that would do something in a page that took them for HTML, or for its template."""
