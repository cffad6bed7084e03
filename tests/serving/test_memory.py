"""The server reuses memory from frame to frame."""

import platform
import subprocess
import sys

import pytest

# In a new process, because the C library remembers the largest block that a process has freed.
SCRIPT = """
import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pyg_sybio.serving.app import _keep_memory

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [np.ones(2**19) for _ in range(6)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with ThreadPoolExecutor(1) as pool:
    for change in (page_faults, page_faults, _keep_memory, page_faults):
        pool.submit(change).result()
        print(pool.submit(page_faults).result())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="describes glibc")
def test_freed_memory_is_reused() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    *_, returned, _, kept = map(int, run.stdout.split())
    assert returned > 10_000  # 24 MiB in pages of 4 KiB, ten times
    assert kept < 100
