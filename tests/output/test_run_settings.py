from __future__ import annotations

from pathlib import Path

import pytest

from vsa_cli.output.run_settings import difference, write_record


def test_other_settings_are_named(tmp_path: Path) -> None:
    record = tmp_path / ".out.settings.json"
    assert difference(record, {"beam": 7}) is None, "no record: nothing is compared"
    write_record(record, {"beam": 7, "avoid": []})
    assert difference(record, {"beam": 7, "avoid": []}) is None
    assert difference(record, {"beam": 1, "avoid": ["dog"]}) == "made with `beam` 7, not 1; `avoid` none, not dog"


@pytest.mark.parametrize("content", [b"{broken", b"[]", b"\xff\xfe"])
def test_a_damaged_record_is_not_ignored(tmp_path: Path, content: bytes) -> None:
    record = tmp_path / ".out.settings.json"
    record.write_bytes(content)
    assert "is damaged; delete it" in str(difference(record, {"beam": 7}))
