"""Generated parts of a page: what stands between `<!-- NAME: ... -->` and `<!-- /NAME -->`."""

from __future__ import annotations

import re


def fill(page: str, name: str, text: str) -> str:
    """Return the page with `text` between the markers of `name`; ValueError without markers."""
    pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->\n)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"no markers for {name}")
    return pattern.sub(lambda match: f"{match[1]}\n{text.strip()}\n\n{match[2]}", page)
