"""Windows, answers in them, and the best stretch, each against a slow obvious twin."""

import numpy as np
import pytest

from cn_bert.finetune.windows import best_stretch, cut_windows, locate_answer, tokens_of


@pytest.mark.parametrize("n_tokens", [0, 1, 7, 8, 9, 16, 17, 100])
@pytest.mark.parametrize(("room", "stride"), [(8, 8), (8, 3), (8, 1), (1, 1)])
def test_windows_cover_every_token_and_fit(n_tokens, room, stride):
    windows = cut_windows(n_tokens, room, stride)

    assert {token for start, end in windows for token in range(start, end)} == set(range(n_tokens))
    assert all(end - start <= room for start, end in windows)
    assert [start for start, _ in windows] == list(range(0, stride * len(windows), stride))
    assert len(windows) == 1 or windows[-2][1] < n_tokens  # the last one was needed


@pytest.mark.parametrize(("room", "stride"), [(8, 9), (8, 0)])
def test_a_stride_that_leaves_gaps_or_stands_still_is_refused(room, stride):
    with pytest.raises(ValueError, match="stride"):
        cut_windows(20, room, stride)


@pytest.mark.parametrize(
    ("answer", "start", "expected"),
    [
        ("北京", 0, (0, 2)),
        ("北京", 5, (5, 7)),
        ("北京", 4, (5, 7)),  # not there: the nearest one
        ("北京", -1, (0, 2)),
        (" 北京", 4, (5, 7)),
        ("京北", 0, None),
        ("  ", 0, None),
    ],
)
def test_an_answer_is_found_where_it_is_nearest(answer, start, expected):
    assert locate_answer("北京在哪？北京", answer, start) == expected


def test_occurrences_may_overlap():
    assert locate_answer("哈哈哈", "哈哈", 1) == (1, 3)


@pytest.mark.parametrize("number", range(10))
def test_tokens_of_characters_are_those_that_touch_them(number):
    draw = np.random.default_rng(number)
    edges = np.sort(draw.choice(30, size=12, replace=False))
    offsets = edges.reshape(-1, 2)  # with spaces between the tokens
    for start in range(30):
        for end in range(start + 1, 31):
            touching = [n for n, (begin, stop) in enumerate(offsets) if begin < end and start < stop]
            assert tokens_of(offsets, start, end) == ((touching[0], touching[-1]) if touching else None)


@pytest.mark.parametrize("number", range(20))
def test_the_best_stretch_is_the_one_that_trying_all_finds(number):
    draw = np.random.default_rng(number)
    n, longest = int(draw.integers(1, 15)), int(draw.integers(1, 8))
    begins, ends = draw.normal(size=(2, n)).astype(np.float32)
    scores = {(i, j): float(begins[i]) + float(ends[j]) for i in range(n) for j in range(i, min(i + longest, n))}

    stretch, total = best_stretch(begins, ends, longest)

    assert (stretch.first, stretch.last) == max(scores, key=scores.__getitem__)
    assert stretch.score == pytest.approx(max(scores.values()))
    assert total == pytest.approx(np.log(np.sum(np.exp(list(scores.values())))))


def test_no_token_has_no_best_stretch():
    with pytest.raises(ValueError, match="no token"):
        best_stretch(np.zeros(0, np.float32), np.zeros(0, np.float32), 5)
