"""The commands in the documents, for tests that type them."""

from __future__ import annotations

import re

from tests.support.process import ROOT


def commands(page: str, *headings: str) -> str:
    """Return the shell commands of a page, or of the sections with these headings."""
    text = (ROOT / page).read_text(encoding="utf-8")
    sections = [text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0] for heading in headings]
    blocks = re.findall(r"^( *)```sh\n(.*?)^ *```", "\n".join(sections) or text, re.M | re.S)
    return "".join(re.sub(f"^{indent}", "", block, flags=re.M) for indent, block in blocks)
