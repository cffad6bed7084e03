"""The data of a page with a player."""

import json
import re
from pathlib import Path
from typing import Any


def data_of(path: Path) -> dict[str, Any]:
    """Return the data that a page draws."""
    line = re.search(r"^const motion = (.*);$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert line is not None
    return json.loads(line[1])
