"""Damaged files: hundreds of small changes to a motion file, the same in every run."""

import codecs
import random
import re
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pyg_sybio.data.motion import Motion

MAX_PEAK_BYTES = 64 * 2**20
"""Reading a damaged file (a few kilobytes) must not make Python or numpy allocate more than this."""

_WRONG_NUMBERS = (
    b"nan", b"NaN", b"inf", b"-Infinity", b"1e999", b"abc", b"", b"1,5", b"0x10", b"1_000",
    b"-1", b"0", b"2", b"3.5", b"1e18", b"99999999", b"999999999999999999999999", b"9" * 5000, b"null",
    b"\xff\xfe",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Mutation:
    """A damaged file and the type of damage."""

    name: str
    content: bytes


def mutations(content: bytes, *, seed: int = 0, count: int = 200, text: bool = True) -> list[Mutation]:
    """Return `count` damaged copies of a file, alternating between all types of damage.

    Args:
        content: The intact file.
        seed: Random seed of the damaged positions.
        count: Number of copies.
        text: Whether the file is text, so that lines and numbers can be damaged too.
    """
    rng = random.Random(seed)
    kinds = [*_BINARY, *(_TEXT if text else ())]
    fixed = [
        Mutation("empty", b""),
        Mutation("one zero byte", b"\0"),
        Mutation("all zero bytes", bytes(len(content))),
        Mutation("twice", content + content),
    ]
    if text:
        fixed += [
            Mutation("utf-16", content.decode("utf-8").encode("utf-16")),
            Mutation("byte order mark", codecs.BOM_UTF8 + content),
            Mutation("blank lines", b"\n" * 50),
            Mutation("DOS line ends", content.replace(b"\n", b"\r\n")),
        ]
    drawn = (kinds[index % len(kinds)](content, rng) for index in range(count - len(fixed)))
    return [*fixed, *drawn]


def assert_safe(
    read: Callable[[Path], Motion | Iterable[Motion]],
    path: Path,
    damaged: Iterable[Mutation],
    *,
    right: Callable[[bytes], list[Motion] | None],
) -> int:
    """Assert that each damaged file raises an error with its name, or is read like by an independent parser.

    Args:
        read: The reader.
        path: The path to which the files are written.
        damaged: The damaged files.
        right: An independent parser in the test, which returns the motions that the damaged content still
            holds, or None if the content may not be valid.

    Returns:
        The number of refused files.
    """
    refused = 0
    for mutation in damaged:
        path.write_bytes(mutation.content)
        tracemalloc.start()
        try:
            result = read(path)
            found = [result] if isinstance(result, Motion) else list(result)
        except ValueError as error:
            refused += 1
            assert path.name in str(error), f"{mutation.name}: the message names no file: {error}"
            assert len(str(error)) < 1000, f"{mutation.name}: the message is too long: {str(error)[:200]}"
            continue
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < MAX_PEAK_BYTES, f"{mutation.name}: took {peak / 2**20:.0f} MiB"
        # A byte order mark is not damage: readers of text skip it.
        expected = right(mutation.content.removeprefix(codecs.BOM_UTF8))
        assert expected is not None, f"{mutation.name}: read without an error, but it is damaged"
        assert len(found) == len(expected), mutation.name
        for one, other in zip(found, expected, strict=True):
            assert one.equal(other), f"{mutation.name}: read to a wrong motion"
    return refused


def _truncate(content: bytes, rng: random.Random) -> Mutation:
    end = rng.randrange(len(content))
    return Mutation(f"truncated at byte {end}", content[:end])


def _flip(content: bytes, rng: random.Random) -> Mutation:
    place = rng.randrange(len(content))
    value = content[place] ^ (1 << rng.randrange(8))
    return Mutation(f"bit of byte {place}", content[:place] + bytes([value]) + content[place + 1 :])


def _garbage(content: bytes, rng: random.Random) -> Mutation:
    place = rng.randrange(len(content))
    noise = rng.randbytes(rng.randrange(1, 64))
    return Mutation(f"noise at byte {place}", content[:place] + noise + content[place:])


def _cut_out(content: bytes, rng: random.Random) -> Mutation:
    start = rng.randrange(len(content))
    length = rng.randrange(1, 200)
    return Mutation(f"{length} bytes lost at {start}", content[:start] + content[start + length :])


def _line(change: Callable[[list[bytes], int, random.Random], None], name: str) -> Callable:
    def mutate(content: bytes, rng: random.Random) -> Mutation:
        lines = content.splitlines(keepends=True)
        place = rng.randrange(len(lines))
        change(lines, place, rng)
        return Mutation(f"line {place + 1} {name}", b"".join(lines))

    return mutate


def _swap_with_another(lines: list[bytes], place: int, rng: random.Random) -> None:
    other = rng.randrange(len(lines))
    lines[place], lines[other] = lines[other], lines[place]


def _lose_a_word(lines: list[bytes], place: int, rng: random.Random) -> None:
    words = lines[place].split(b" ")
    del words[rng.randrange(len(words))]
    lines[place] = b" ".join(words)


def _repeat_a_word(lines: list[bytes], place: int, rng: random.Random) -> None:
    words = lines[place].split(b" ")
    words.insert(0, words[rng.randrange(len(words))])
    lines[place] = b" ".join(words)


def _wrong_number(content: bytes, rng: random.Random) -> Mutation:
    numbers = list(_NUMBER.finditer(content))
    if not numbers:
        return _flip(content, rng)
    found = rng.choice(numbers)
    wrong = rng.choice(_WRONG_NUMBERS)
    name = f"{found[0].decode()} at byte {found.start()} is {wrong[:20]!r}"
    return Mutation(name, content[: found.start()] + wrong + content[found.end() :])


def _wrong_count(content: bytes, rng: random.Random) -> Mutation:
    """Change one of the first numbers, because formats start with counts."""
    numbers = list(_NUMBER.finditer(content))[:12]
    if not numbers:
        return _truncate(content, rng)
    found = rng.choice(numbers)
    wrong = rng.choice((b"0", b"-1", b"1", b"7", b"1000000", b"4294967296", b"999999999999"))
    name = f"count {found[0].decode()} is {wrong.decode()}"
    return Mutation(name, content[: found.start()] + wrong + content[found.end() :])


_BINARY = (_truncate, _flip, _garbage, _cut_out)
_TEXT = (
    _wrong_number,
    _wrong_count,
    _line(lambda lines, place, rng: lines.pop(place), "lost"),
    _line(lambda lines, place, rng: lines.insert(place, lines[place]), "twice"),
    _line(_swap_with_another, "swapped with another"),
    _line(_lose_a_word, "without a word"),
    _line(_repeat_a_word, "with a word twice"),
    _wrong_number,
)
