"""The CMRC 2018 scorer against hand-made cases and a slow twin of the published rule."""

import random

import pytest

from cn_bert.evaluate.cmrc import PUNCTUATION, common_run, exact_match, f1, pieces, score


def test_f1_of_the_published_example():
    assert f1("北京师范大学", "北京大学") == pytest.approx(2 * (2 / 4 * 2 / 6) / (2 / 4 + 2 / 6))
    assert f1("北京师范大学", "北京大学") == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("北京大学", "北京大学", 1.0),
        ("北京，大学。", "北京大学", 1.0),
        ("光荣和ω-force", "光荣和ω-Force", 1.0),
        ("2019年", "19年", 0.5),  # "2019" is one piece, so only 年 is shared
        ("３０００米", "3000米", 0.5),  # full-width digits are not folded
        ("the big cat", "a big cat", 2 * 2 / 6),
        ("上海", "北京", 0.0),
        ("", "北京", 0.0),
        ("。", "北京", 0.0),
        ("甲乙丙丁", "丁丙乙甲", 0.25),  # a bag of characters would give 1
    ],
)
def test_f1_of_cases_worked_out_by_hand(answer, reference, expected):
    assert f1(answer, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("《战国无双3》", "战国无双3", True),
        ("北京，上海。", "北京上海", True),
        ("iPhone", "IPHONE", True),
        ("北京 ", " 北京", True),
        ("北 京", "北京", False),
        ("3.14", "314", False),  # the ASCII full stop is not in the script's list
        ("等……", "等", False),  # its "……" never matches one character
        ("北京", "南京", False),
    ],
)
def test_exact_match_ignores_case_and_the_listed_punctuation(answer, reference, same):
    assert exact_match(answer, reference) is same


def test_pieces_are_characters_and_latin_words():
    assert pieces("于2019年加入NBA，效力 the Lakers.") == [
        *("于", "2019", "年", "加", "入", "nba", "效", "力"),
        *("the", "lakers", "."),
    ]


def test_removed_punctuation_joins_what_stood_around_it():
    assert pieces("3-4月") == ["34", "月"]


def slow_common_run(first, second):
    """The script's table: table[i][j] is the run that ends at first[i-1] and second[j-1]."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    longest = 0
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            if a == b:
                table[i + 1][j + 1] = table[i][j] + 1
                longest = max(longest, table[i + 1][j + 1])
    return longest


def slow_pieces(text):
    """The script's walk over characters; without spaces NLTK leaves a run of letters and digits whole."""
    found, run = [], ""
    for char in text.lower().strip():
        if char in PUNCTUATION:
            continue
        if "\u4e00" <= char <= "\u9fa5":
            found += [run, char] if run else [char]
            run = ""
        else:
            run += char
    return [*found, run] if run else found


def slow_f1(answer, reference):
    given, wanted = slow_pieces(answer), slow_pieces(reference)
    run = slow_common_run(given, wanted)
    if run == 0:
        return 0.0
    precision, recall = run / len(given), run / len(wanted)
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("number", range(30))
def test_f1_is_the_slow_f1(number):
    draw = random.Random(number)
    answer, reference = ("".join(draw.choices("北京大学aB3，。-《》", k=draw.randint(0, 25))) for _ in range(2))

    assert f1(answer, reference) == pytest.approx(slow_f1(answer, reference))


def test_common_run_does_not_leave_out_frequent_pieces():
    many = ["的"] * 300  # difflib's own default would call 的 junk here

    assert common_run(many, many[:250]) == 250


def test_score_takes_the_best_reference_and_counts_in_percent():
    references = {"q1": ["北京", "北京大学"], "q2": ["上海"], "q3": ["1949年"]}

    found = score({"q1": "北京大学", "q2": "上海市"}, references)

    assert found["exact_match"] == pytest.approx(100 / 3)
    assert found["f1"] == pytest.approx(100 * (1 + 0.8 + 0) / 3)


def test_score_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no questions"):
        score({}, {})
    with pytest.raises(ValueError, match="q1 has no reference"):
        score({"q1": "北京"}, {"q1": []})
