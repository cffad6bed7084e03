"""Functions shared by the tests of several commands."""

import pytest

from pyg_sybio.cli.main import main


def error_of(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 1) -> str:
    """Return the error of a command: the last line on stderr, which must be the only error."""
    capsys.readouterr()
    assert main([str(word) for word in argv]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [line for line in lines if line.startswith("sybio: error: ")] == lines[-1:]
    assert not any("Traceback" in line for line in lines)
    return lines[-1]
