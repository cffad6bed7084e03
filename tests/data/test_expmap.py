"""Files, normalisation and windows of the angle-space benchmarks, on small made-up motions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_sybio.data.expmap import (
    Clip,
    Normalisation,
    Recording,
    read_expmap_file,
    seeded_starts,
    sliding_clips,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_reading_gives_what_numpy_reads(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(20, 9))
    path = tmp_path / "motion.txt"
    np.savetxt(path, values, delimiter=",", fmt="%.9g")
    frames = read_expmap_file(path, 9)
    assert frames.dtype == torch.float64
    np.testing.assert_array_equal(frames.numpy(), np.loadtxt(path, delimiter=","))


def test_reading_takes_windows_line_ends_spaces_and_blank_lines_at_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "motion.txt", "1, 2,-0\r\n4,5e-1,6\r\n\r\n")
    assert read_expmap_file(path, 3).tolist() == [[1, 2, 0], [4, 0.5, 6]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,5\n", "motion.txt, line 2 has 2 values, expected 3"),
        ("1,2,3\n\n4,5,6\n", "motion.txt, line 2 has 1 values, expected 3"),
        ("1,2,3\n4,5,6,7\n", "motion.txt, line 2 has 4 values, expected 3"),
        ("1,2,3\n4,x5,6\n", "motion.txt, line 2 has 'x5', expected a number"),
        ("1,,3\n", "motion.txt, line 1 has '', expected a number"),
        ("1,2,3\n1,2,3\n4, nan,6\n", "motion.txt, line 3 has 'nan', expected a finite number"),
        ("1,2,-inf\n", "motion.txt, line 1 has '-inf', expected a finite number"),
        ("\n", "motion.txt has no frames, expected lines of 3"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_expmap_file(write(tmp_path / "motion.txt", text), 3)


def test_a_binary_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "motion.txt"
    path.write_bytes(b"\xff\xfe,\x00,1\n")
    with pytest.raises(ValueError, match=r"motion.txt, line 1 has .* expected a number"):
        read_expmap_file(path, 3)


USED = (6, 7, 8, 12, 13, 14)


def fitted() -> tuple[list[torch.Tensor], Normalisation]:
    files = [2 + 3 * torch.randn(num_frames, 15, dtype=torch.float64) for num_frames in (30, 50)]
    for frames in files:
        frames[:, 8] = 0.5  # a hinge
        frames[:, 9:12] = -1.0  # a joint that is not used
    return files, Normalisation.fit(files, USED)


def test_normalisation_has_numpys_statistics_over_all_frames() -> None:
    files, normalisation = fitted()
    frames = np.concatenate([file.numpy() for file in files])
    varying = [column for column in range(15) if column not in (8, 9, 10, 11)]
    np.testing.assert_allclose(normalisation.mean, frames.mean(0))
    np.testing.assert_allclose(normalisation.deviation[varying], frames.std(0)[varying])
    assert normalisation.deviation[[8, 9, 10, 11]].tolist() == [1, 1, 1, 1]
    assert normalisation.varying == (6, 7, 12, 13, 14)
    scores = torch.cat([normalisation.normalise(file) for file in files]).flatten(1)  # [frames, 6]
    np.testing.assert_allclose(scores.mean(0), np.zeros(6), atol=1e-12)
    np.testing.assert_allclose(scores.std(0, correction=0), [1, 1, 0, 1, 1, 1], atol=1e-12)


def test_restoring_gives_the_used_columns_back_and_the_mean_elsewhere() -> None:
    files, normalisation = fitted()
    scores = normalisation.normalise(files[0])
    assert scores.shape == (30, 2, 3)
    frames = normalisation.restore(scores.expand(4, 30, 2, 3))
    assert frames.shape == (4, 30, 15)
    torch.testing.assert_close(frames[3][:, USED], files[0][:, USED])
    rest = [column for column in range(15) if column not in USED]
    torch.testing.assert_close(frames[..., rest], normalisation.mean[rest].expand(4, 30, len(rest)))


def test_restoring_a_prediction_resets_constant_columns_and_a_target_keeps_them() -> None:
    files, normalisation = fitted()
    scores = normalisation.normalise(files[0])
    scores[:, 0, 2] += 0.125  # column 8
    assert torch.allclose(normalisation.restore(scores)[:, 8], torch.tensor(0.5, dtype=torch.float64))
    kept = normalisation.restore(scores, keep_constant=True)[:, 8]
    assert torch.allclose(kept, torch.tensor(0.625, dtype=torch.float64))


def test_sliding_clips_cover_each_recording_and_stay_inside() -> None:
    recordings = [Recording(Path("a"), 0, torch.zeros(length, 6)) for length in (23, 9, 10)]
    clips = sliding_clips(recordings, length=10, stride=4)
    assert clips == [Clip(0, 0), Clip(0, 4), Clip(0, 8), Clip(0, 12), Clip(2, 0)]


def test_seeded_starts_take_files_in_turn_from_one_generator() -> None:
    bounds = [(16, 500), (16, 900)]
    generator = np.random.RandomState(1234567890)
    expected = []
    for _ in range(4):
        expected += [generator.randint(16, 500), generator.randint(16, 900)]
    assert seeded_starts(bounds) == expected
    assert seeded_starts(bounds, num_clips=3) == expected[:3]  # anew at each call


def test_seeded_starts_need_room() -> None:
    with pytest.raises(ValueError, match=r"'bounds' has \(16, 16\), expected a start below the end"):
        seeded_starts([(0, 5), (16, 16)])
