"""Text from files as part of a line for people."""

import re

# Control characters, separators of lines, marks that reorder text, and bytes of undecodable file names.
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, keep: str = "") -> str:
    r"""Escape characters that would end the line or control a terminal, as in JSON.

    Args:
        text: The text, for example ``"wave\x1b"``, which becomes ``"wave\\u001b"``.
        keep: Characters that are not escaped, such as the line ends of a text of several lines.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)
