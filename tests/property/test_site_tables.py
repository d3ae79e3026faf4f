from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from waterworks.errors import Problem
from waterworks.site_folder import check_site
from waterworks.tables import Problems, read_table, wrong_id

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
number = st.floats(-1e5, 1e5).map(lambda v: round(v, 4))


@given(
    st.lists(st.tuples(text, number), max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_a_table_reads_the_same_in_every_habit_of_writing_it(
    rows: list[tuple[str, float]], separator: str, comma: bool, end: str, mark: bool
) -> None:
    comma = comma and separator != ","
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["name", "value"])
    for name, value in rows:
        said = repr(value)
        writer.writerow([name, said.replace(".", ",") if comma else said])
    problems = Problems("t.csv")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + out.getvalue().encode())
        read = read_table(path, problems, required=["name", "value"], optional=[])
    assert read is not None
    assert [(r.text("name"), r.number("value")) for r in read] == [(n.strip(), v) for n, v in rows]
    assert problems.found == []
    assert [r.line for r in read] == list(range(2, len(rows) + 2))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["site.toml", "dmas.csv", "sensors.csv", "nodes.csv", "network.inp"]),
                       st.binary(max_size=200), min_size=1))  # fmt: skip
def test_no_bytes_whatever_make_the_check_fall_over(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        found = check_site(Path(folder))
    assert all(isinstance(p, Problem) and p.message for p in found)
    assert found  # three files of chance are never a site


@given(st.text(max_size=80))
def test_what_passes_for_an_id_is_one_level_of_a_topic_and_no_derived_series(value: str) -> None:
    if wrong_id(value) is None:
        assert value
        assert not set(value) & set("/+#:$ \t\n\0")
        assert value not in (".", "..")
        assert len(value) <= 64
