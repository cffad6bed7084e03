"""Worker processes that prepare and time runs on request, for code that must run in a separate process."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

Run = Callable[[], object]


class WorkerError(Exception):
    """A request failed in a worker; the message is one line."""


class Worker:
    """A Python process that responds to requests.

    Args:
        script: The script that the process runs, which must call :func:`serve`.
        environment: Variables to set in the environment of the process.
    """

    def __init__(self, script: Path, environment: Mapping[str, str] | None = None) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in __exit__)
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and return the response.

        Raises:
            WorkerError: If the request fails, or the process ends.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().strip().rpartition("\n")[2]
            raise WorkerError(f"the process ended with exit code {code}: {last[:200]}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["answer"]

    def seconds(self, repeats: int = 1) -> float:
        """Return the median time in seconds of several runs of the case that was prepared last."""
        return statistics.median(self.ask(repeats=repeats))

    def __enter__(self) -> Self:
        """Return the worker."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # closing flushes a request that the process did not read
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


def serve(prepare: Callable[[Any], tuple[Run, Any]]) -> None:
    """Respond to requests from standard input until it closes.

    The request ``{"prepare": what}`` calls ``prepare(what)``, which returns the function to time and a
    response. The request ``{"repeats": n}`` returns the times of ``n`` runs in seconds. The response to a
    failed request is an error message.

    Args:
        prepare: Function that prepares a run; the previous run is deleted before the call.
    """
    # Other code may print, which must not mix with the responses on standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run: Run | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                run = None
                run, answer = prepare(request["prepare"])
            else:
                assert run is not None, "nothing is prepared"
                answer = [_timed(run) for _ in range(request["repeats"])]
            message = {"answer": answer}
        except (Exception, SystemExit) as error:  # a script may call sys.exit when it is imported
            message = {"error": one_line(error)}
        print(json.dumps(message), file=answers, flush=True)


def one_line(error: BaseException) -> str:
    """Return the type and message of an error in one line; for a :class:`WorkerError`, only the message."""
    message = " ".join(str(error).split())[:200]
    return message if isinstance(error, WorkerError) else f"{type(error).__name__}: {message}"


def _timed(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
