from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.corpus.readers.detect import Reading, read_captions
from vsa_cli.core.corpus.readers.entries import FILE_NAMES, SENTENCE_NAMES, table_header


def read(path: Path, content: str | bytes) -> Reading:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_captions([path], path.parent)


def sentences(reading: Reading) -> dict[int | str, list[str]]:
    return {record.image_id: list(record.sentences.values()) for record in reading.records}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("image", [*FILE_NAMES, "image_id", "Image-ID", " File Name "])
def test_the_header_is_found_by_its_columns_under_every_delimiter(delimiter: str, image: str) -> None:
    name = image.strip().lower().replace(" ", "_").replace("-", "_")
    for sentence in SENTENCE_NAMES:
        for before in ([], [""], ["sep=" + delimiter]):
            header = table_header([*before, delimiter.join(["key", f" {sentence.upper()} ", image, "split"])])
            assert header is not None
            assert (header.delimiter, header.line) == (delimiter, len(before))
            assert header.names == ("key", sentence, name, "split")
    assert table_header([delimiter.join([image, "other"])]) is None
    assert table_header([delimiter.join(["other", "caption"])]) is None


def test_kaggle_flickr8k_and_flickr30k(tmp_path: Path) -> None:
    reading = read(tmp_path / "captions.txt", 'image,caption\na.jpg,"Dogs, two ""of"" them"\na.jpg,A dog\n')
    assert sentences(reading) == {"a.jpg": ['Dogs, two "of" them', "A dog"]}
    content = 'image_name| comment_number| comment\na.jpg| 0| "Two men, one dog .\na.jpg| 4   A dog\na.jpg| 1| B\n'
    reading = read(tmp_path / "results.csv", content)
    assert sentences(reading) == {"a.jpg": ['"Two men, one dog .', "B"]}
    assert [(problem.kind, problem.name) for problem in reading.problems] == [("malformed", "results.csv, line 3")]


def test_split_column_folder_split_and_missing_sentences(tmp_path: Path) -> None:
    content = "split\tfilepath\ttitle\nval\ta.jpg\tone\n\ttest/b.jpg\ttwo\n\tc.jpg\t\nnever\td.jpg\tx\n\t\tx\n"
    reading = read(tmp_path / "data.tsv", content)
    assert [(record.key, record.split, len(record.sentences)) for record in reading.records] == [
        ("a.jpg", "val", 1), ("test/b.jpg", "test", 1), ("c.jpg", None, 0)
    ]  # fmt: skip
    assert [problem.kind for problem in reading.problems] == ["unknown-split", "malformed", "no-sentence"]


def test_open_quote_excludes_its_own_line_only(tmp_path: Path) -> None:
    content = 'image,caption\na.jpg,"never closed\nb.jpg,fine\nc.jpg,"fine, too"\nd.jpg,"Hi" she said\n'
    reading = read(tmp_path / "x.csv", content)
    assert sentences(reading) == {"b.jpg": ["fine"], "c.jpg": ["fine, too"], "d.jpg": ["Hi she said"]}
    assert [problem.name for problem in reading.problems] == ["x.csv, line 2"]


def test_invalid_text_and_huge_cells_are_reported(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfimage,caption\r\na.jpg,caf\xe9\r\nb.jpg,a\0b\r\nc.jpg," + b"x" * 200_000
    reading = read(tmp_path / "x.csv", content + b'\r\nd.jpg,"' + b"y" * 200_000 + b'"\r\ne.jpg,fine\r\nf.jpg\r\n')
    assert sentences(reading) == {"e.jpg": ["fine"]}
    assert [problem.name for problem in reading.problems] == [f"x.csv, line {n}" for n in (2, 3, 4, 5, 7)]


def test_many_open_quotes_take_linear_time(tmp_path: Path) -> None:
    reading = read(tmp_path / "x.csv", "image,caption\n" + 'a.jpg,"x\n' * 3_000 + "b.jpg,fine\n")
    assert "b.jpg" in sentences(reading)


CELL = st.text(st.sampled_from('ab ,;"\n|\té')).filter(lambda text: text == text.strip() and text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELL, min_size=1, max_size=6), st.sampled_from(",;\t"))
def test_output_of_the_csv_module_is_read_back(tmp_path: Path, cells: list[str], delimiter: str) -> None:
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter)
    writer.writerows([["image", "caption"], *(["a.jpg", cell] for cell in cells)])
    reading = read(tmp_path / "x.csv", table.getvalue())
    assert sentences(reading) == {"a.jpg": cells}
    assert reading.problems == []
