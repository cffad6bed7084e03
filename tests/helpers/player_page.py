"""What a page with a player draws, out of the page, for tests of players."""

import json
import re
from pathlib import Path
from typing import Any


def data_of(path: Path) -> dict[str, Any]:
    """The data that the page holds."""
    line = re.search(r"^const motion = (.*);$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert line is not None
    return json.loads(line[1])
