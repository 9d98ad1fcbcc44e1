"""Long names in little room: cut from the middle, where they say the least."""

from __future__ import annotations


def shortened(text: str, width: int) -> str:
    """Return a text of at most `width` characters: its beginning, an ellipsis, its end.

    The end, which names the object of a dotted name, gets the larger part.
    """
    if len(text) <= width:
        return text
    if width < 2:
        return text[:width]
    end = (width - 1) * 2 // 3
    return f"{text[: width - 1 - end]}…{text[len(text) - end :] if end else ''}"
