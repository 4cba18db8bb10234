"""Knowledge graphs: subjects are entities, and a line that is no triple is named."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from corpus_tools.errors import DataError
from corpus_tools.spans import Knowledge, build_finder
from corpus_tools.text.batch import TextBatch


def found(finder, text):
    spans = finder.find(TextBatch.of([text]), np.zeros(len(text), np.uint8))
    rows = zip(spans.starts.tolist(), spans.ends.tolist(), spans.kinds.tolist(), strict=True)
    return [(text[start:end], finder.kinds[kind][0]) for start, end, kind in rows]


def test_subjects_are_found_and_objects_are_not(tmp_path):
    path = tmp_path / "医.spo.gz"
    lines = "\ufeff青霉素\t类别\t药物\r\n青霉素\t治疗\t肺炎\n\n 阿莫西林 \t类别\t药物\n药\t是\t字"
    path.write_bytes(gzip.compress(lines.encode()))
    finder = build_finder({"name": "knowledge", "files": [(None, path)]})
    assert finder.kinds == (("医", "entity"),)
    assert found(finder, "青霉素和阿莫西林是药物，治疗肺炎") == [("青霉素", "医"), ("阿莫西林", "医")]


@pytest.mark.parametrize("line", ["青霉素\t药物", "青霉素", "青霉素\t类别\t药物\t1", "青霉素 类别 药物"])
def test_a_line_that_is_no_triple_is_named_with_the_way_out(tmp_path, line):
    path = tmp_path / "a.spo"
    path.write_text(f"云南白药\t类别\t药物\n{line}\n", "utf-8")
    with pytest.raises(DataError, match=r"a\.spo:2: \d columns, expected subject.*awk"):
        Knowledge([(None, path)])


def test_graphs_have_kinds_of_their_own_and_the_first_one_names_what_both_have(tmp_path):
    for name, subject in (("a.spo", "北京"), ("b.spo", "北京大学"), ("c.spo", "北京")):
        (tmp_path / name).write_text(f"{subject}\t是\t名\n", "utf-8")
    finder = Knowledge([("地", tmp_path / "a.spo"), (None, tmp_path / "b.spo"), (None, tmp_path / "c.spo")])
    assert found(finder, "北京的北京大学") == [("北京", "地"), ("北京大学", "b")]


def test_a_graph_and_a_list_of_the_same_lines_are_kept_apart(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("北京\t是\t名\n", "utf-8")
    files = [(None, path)]
    assert Knowledge(files).fingerprint != build_finder({"name": "lexicon", "files": files}).fingerprint
