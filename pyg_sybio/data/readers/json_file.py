"""Strict JSON; see :mod:`pyg_sybio.files`."""

from pyg_sybio.files import parse_json, read_json

__all__ = ["parse_json", "read_json"]
