"""Values are found on disk as in people's words, and the file survives what files meet."""

from __future__ import annotations

import multiprocessing
import resource
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorumsql.errors import UsageError
from quorumsql.stores import values_file
from quorumsql.stores.known import Known, reading, remove, writing
from quorumsql.stores.values_disk import DiskValueIndex
from quorumsql.stores.values_file import BlockWriter, seal
from quorumsql.stores.values_keys import (
    compact,
    fold,
    fold_all,
    keys_of,
    look_up_keys,
    near_keys,
    squeezed,
)
from quorumsql.stores.values_words import dates_in, other_words

CITIES = ["New York", "York", "São Paulo", "Reykjavík", "San José", "O'Fallon", "東京", "Caribbean"]
PEOPLE = ["Grace Andersson", "Ann-Marie O'Brien", "Smith", "José García Márquez"]
TABLES = {
    "city": {"name": CITIES, "is_capital": ["T", "F"], "founded": ["1987-09-07", "1990-01-01"]},
    "guest": {"full_name": PEOPLE, "town": ["York", "Oslo"], "sex": ["F", "M"]},
    "land": {"name": ["France", "Netherlands", "USA"], "code": ["C++", "C#", "007"]},
}


def put(known: Known, tables: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    for table, columns in tables.items():
        with known.transaction():
            source, parts = known.begin(table, "", columns)
            sizes = {}
            for part, values in zip(parts, columns.values(), strict=True):
                writer = BlockWriter(known, part)
                writer.add(values)
                writer.close()
                sizes[part] = writer.size
            known.finish(source, stamp="", profile={}, sizes=sizes)
    seal(known)
    with known.transaction():
        known.publish({source.table for source in known.sources()})


def opened(path: Path) -> DiskValueIndex:
    known = reading(path)
    assert known is not None
    return DiskValueIndex(known)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiskValueIndex]:
    path = tmp_path_factory.mktemp("index") / "known.sqlite"
    with writing(path) as known:
        put(known, TABLES)
    with closing(opened(path)) as found:
        yield found


@pytest.mark.parametrize(
    ("question", "column", "value", "match"),
    [
        ("who lives in New York?", "name", "New York", "exact"),
        ("who lives in new york?", "name", "New York", "exact"),
        ("flights to Sao Paulo", "name", "São Paulo", "exact"),
        ("hotels of Reykjavik", "name", "Reykjavík", "exact"),
        ("the town of O’Fallon", "name", "O'Fallon", "exact"),
        ("OFallon", "name", "O'Fallon", "exact"),
        ("weather in 東京 today", "name", "東京", "exact"),
        ("weather in New Yrok", "name", "New York", "fuzzy"),
        ("weather in Reykjavig", "name", "Reykjavík", "fuzzy"),
        ("islands of the Carribean", "name", "Caribbean", "fuzzy"),
        ("the Smiths", "full_name", "Smith", "exact"),
        ("bookings of Andersson", "full_name", "Grace Andersson", "fuzzy"),
        ("bookings of Andreson", "full_name", "Grace Andersson", "fuzzy"),
        ("bookings of Grace", "full_name", "Grace Andersson", "prefix"),
        ("rooms for Garcia Marquez", "full_name", "José García Márquez", "fuzzy"),
        ("wines from French cellars", "name", "France", "fuzzy"),
        ("Dutch guests", "name", "Netherlands", "fuzzy"),
        ("written in C++", "code", "C++", "exact"),
        ("agent 007", "code", "007", "exact"),
        ("founded on September 7th, 1987", "founded", "1987-09-07", "fuzzy"),
        ("how many women stayed", "sex", "F", "fuzzy"),
        ("which city is a capital", "is_capital", "T", "fuzzy"),
    ],
)
def test_a_question_mentions(
    index: DiskValueIndex, question: str, column: str, value: str, match: str
) -> None:
    first = index.mentions(question)[0]
    assert (first.column, first.value, first.match) == (column, value, match)
    assert question[first.start : first.end]
    assert 0 < first.score <= 1


def test_the_value_as_written_scores_one_and_goes_first(index: DiskValueIndex) -> None:
    hits = index.mentions("New York")
    assert (hits[0].value, hits[0].score) == ("New York", 1.0)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_among_equal_values_the_named_column_goes_first(index: DiskValueIndex) -> None:
    assert index.mentions("guests whose town is York")[0].table == "guest"
    assert index.mentions("the city York")[0].table == "city"


@pytest.mark.parametrize("text", ["", " ", "?!", "what is the", "\x00\ud800", "a" * 5_000])
def test_nothing_said_nothing_found(index: DiskValueIndex, text: str) -> None:
    assert all(hit.score <= 0.62 for hit in index.mentions(text))


def test_hidden_columns_give_no_hits(tmp_path: Path) -> None:
    with writing(tmp_path / "k.sqlite") as known:
        put(known, TABLES)
    found = reading(tmp_path / "k.sqlite")
    assert found is not None
    with closing(DiskValueIndex(found, hidden={("guest", "full_name")})) as index:
        assert not any(hit.column == "full_name" for hit in index.mentions("Grace Andersson Smith"))


def test_a_table_read_again_replaces_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with writing(path) as known:
        put(known, TABLES)
    with writing(path) as known:
        put(known, {"land": {"name": ["Belgium"]}})
    with closing(opened(path)) as index:
        assert index.mentions("Belgium")[0].value == "Belgium"
        assert not any(hit.match == "exact" for hit in index.mentions("France"))
        assert index.mentions("New York")[0].score == 1.0


def test_what_was_not_finished_is_not_found_and_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with writing(path) as known:
        put(known, TABLES)
    with pytest.raises(KeyboardInterrupt), writing(path) as known:
        _, parts = known.begin("late", "", ["name"])
        writer = BlockWriter(known, parts[0])
        writer.add(["Atlantis"])
        writer.close()
        raise KeyboardInterrupt
    with closing(opened(path)) as index:
        assert index.mentions("Atlantis") == ()
    with writing(path) as known:
        assert {source.table for source in known.sources()} == set(TABLES)
        assert known.connection.execute("SELECT count(*) FROM source").fetchone()[0] == 3


def test_many_segments_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [
        f"{a}{b} {c}" for a in ("ka", "lo") for b in ("mir", "dun") for c in map(str, range(300))
    ]
    monkeypatch.setattr(values_file, "_SEGMENT", 500)
    monkeypatch.setattr(values_file, "_CHUNK", 1)
    with writing(tmp_path / "k.sqlite") as known:
        put(known, {"t": {"c": values}})
        assert len(list(tmp_path.glob("k-*.keys"))) > 3
        assert known.connection.execute("SELECT count(*) FROM segment").fetchone()[0] > 3
    with closing(opened(tmp_path / "k.sqlite")) as index:
        for value in values[::97]:
            assert index.mentions(f"about {value.upper()} here")[0].value == value


def test_small_segments_are_merged_and_old_files_go(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    for number in range(6):
        with writing(path) as known:
            put(known, {f"t{number}": {"c": [f"value{number}", "lasting", "größe"]}})
    assert len(list(tmp_path.glob("k-*.keys"))) <= 3
    with closing(opened(path)) as index:
        for number in range(6):
            assert index.mentions(f"value{number}")[0].value == f"value{number}"
        assert index.mentions("die Gröse")[0].value == "größe"


def test_an_index_full_of_the_gone_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values_file, "_SPARE", 0)
    path = tmp_path / "k.sqlite"
    for number in range(30):
        with writing(path) as known:
            put(known, {"t": {"c": [f"value{number}", "lasting"]}})
    found = reading(path)
    assert found is not None
    with closing(found):
        assert found.connection.execute("SELECT sum(size) FROM segment").fetchone()[0] <= 42
    with closing(opened(path)) as index:
        assert "value29" in [hit.value for hit in index.mentions("value29")]
        assert not any(hit.value == "value2" for hit in index.mentions("value2"))


@pytest.mark.parametrize("left", [None, b"", b"short"])
def test_lost_or_cut_keys_are_refused_in_one_line_and_made_anew(
    tmp_path: Path, left: bytes | None
) -> None:
    path = tmp_path / "k.sqlite"
    with writing(path) as known:
        put(known, TABLES)
    (file,) = tmp_path.glob("k-*.keys")
    if left is None:
        file.unlink()
    else:
        file.write_bytes(left)
    with pytest.raises(UsageError, match="quorum index --rebuild"):
        opened(path)
    with writing(path) as known:
        seal(known)
    with closing(opened(path)) as index:
        assert index.mentions("Smith")[0].value == "Smith"


def test_keys_of_an_interrupted_writer_are_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "k-0123456789ab.keys"
    left.write_bytes(b"half a file")
    with writing(tmp_path / "k.sqlite") as known:
        put(known, TABLES)
    assert not left.exists()
    remove(tmp_path / "k.sqlite")
    assert not list(tmp_path.glob("k*keys"))


@pytest.mark.parametrize("version", [1, 999])
def test_a_file_of_another_version_is_no_index_and_is_made_anew(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "k.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE posting (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
            f"CREATE TABLE segment (id INTEGER, bits INTEGER); PRAGMA user_version = {version};"
        )
    assert reading(path) is None
    with writing(path) as known:
        put(known, TABLES)
    assert opened(path).mentions("Smith")


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5_000)
    with pytest.raises(UsageError, match="quorum index --rebuild"):
        reading(path)
    with pytest.raises(UsageError, match="quorum index --rebuild"), writing(path):
        pass


def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with writing(path) as known:
        put(known, TABLES)
    with pytest.raises(UsageError, match="disk is full"), writing(path) as known:
        known.connection.execute("PRAGMA max_page_count = 40")
        put(known, {"big": {"c": [f"word{n} thing{n}" for n in range(50_000)]}})
    with closing(opened(path)) as index:
        assert index.mentions("Smith")[0].value == "Smith"
        assert index.mentions("word77 thing77") == ()


def _write_within(path: Path, most: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    values = [f"a{n} b{n} c{n} d{n}" for n in range(20_000)]
    with pytest.raises(UsageError, match="disk is full"), writing(path) as known:
        put(known, {"big": {"c": values}})


def test_no_room_for_the_keys_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with writing(path) as known:
        put(known, TABLES)
    before = set(tmp_path.glob("k-*.keys"))
    worker = multiprocessing.get_context("spawn").Process(
        target=_write_within, args=(path, 1_200_000)
    )
    worker.start()
    worker.join(300)
    assert worker.exitcode == 0
    assert set(tmp_path.glob("k-*.keys")) == before
    with closing(opened(path)) as index:
        assert index.mentions("Smith")[0].value == "Smith"
        assert not any(hit.table == "big" for hit in index.mentions("a77 b77 c77 d77"))
    with writing(path) as known:
        put(known, {})
    with closing(opened(path)) as index:
        assert index.mentions("a77 b77 c77 d77")[0].score == 1.0


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="QUORUM_HOME"), writing(tmp_path / "file" / "k.sqlite"):
        pass


def _write_one(path: Path, table: str) -> None:
    with writing(path) as known:
        put(known, {table: {"c": [f"{table} value {n}" for n in range(500)]}})


def test_processes_that_write_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_one, args=(path, f"t{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with closing(opened(path)) as index:
        for n in range(3):
            assert index.mentions(f"t{n} value 499")[0].value == f"t{n} value 499"


def test_a_reader_reads_on_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with writing(path) as known:
        put(known, TABLES)
        with closing(opened(path)) as index:
            put(known, {"more": {"c": ["Atlantis"]}})
            assert index.mentions("Smith")[0].value == "Smith"


def test_folding() -> None:
    assert fold_all(["Cities of Ørsted", "C++ & C#", "new\nline", ""]) == [
        "city of orsted",
        "c++ c#",
        "new line",
        "",
    ]
    assert compact(fold("New-York’s")) == compact(fold("new york s"))


def test_a_number_is_never_misspelt(tmp_path: Path) -> None:
    """2011 is not the postal code 2010, nor 98053 the customer 98052."""
    path = tmp_path / "values.sqlite"
    with writing(path) as known:
        put(known, {"customer": {"postal_code": ["2010", "98052"], "name": ["Guest 98052"]}})
    with closing(opened(path)) as index:
        assert index.mentions("How many orders were there in 2011?") == ()
        assert index.mentions("orders of 98053") == ()
        assert [hit.value for hit in index.mentions("customers in 2010")] == ["2010"]


@given(
    st.text("abz", min_size=1, max_size=9), st.sampled_from("drsi"), st.integers(0, 9), st.data()
)
@settings(deadline=None, max_examples=300)
def test_one_typing_error_leads_to_a_stored_key(
    stored: str, kind: str, at: int, data: st.DataObject
) -> None:
    """Also where letters are doubled, and where the error doubles or parts them."""
    letter = data.draw(st.sampled_from("abz"))
    at = at % (len(stored) + (kind == "i"))
    match kind:
        case "d":
            wrong = stored[:at] + stored[at + 1 :]
        case "r":
            wrong = stored[:at] + letter + stored[at + 1 :]
        case "i":
            wrong = stored[:at] + letter + stored[at:]
        case _:
            wrong = stored[:at] + stored[at : at + 2][::-1] + stored[at + 2 :]
    kept = set(look_up_keys([squeezed(stored)], "whole").tolist())
    if wrong:
        near, owners = near_keys([wrong], "whole")
        exact = set(look_up_keys([squeezed(wrong)], "whole").tolist())
        assert kept & (set(near.tolist()) | exact)
        assert set(owners.tolist()) == {0}


@pytest.mark.parametrize("wrong", ["jonesd", "bxes", "boxees", "citirs", "jomes"])
def test_an_error_in_a_plural_ending_is_one_error(wrong: str) -> None:
    stored = set(keys_of(["jones", "boxes", "cities"]).hashes.tolist())
    near, _ = near_keys([wrong], "whole")
    assert stored & set(near.tolist())


def test_other_words_and_dates() -> None:
    assert ("france", 0.8) in other_words("French")
    assert ("saudi arabia", 0.8) in other_words("saudi")
    assert not list(other_words("us"))
    assert [date for _, _, date in dates_in("from 3 May 2001 to Sept. 4th 2002")] == ["2001-05-03"]
