"""The feature cache: shared, bounded, and never the reason of a failure or of wrong regions."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.foreign_files import are_same, image_regions
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.regions.cache import RegionCache, cache_folder, count_cached
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, regions_to_bytes

SIZE = 64
SPEC = FeatureSpec(RegionConfig(), "0" * 64, SIZE)


def photo(number: int, count: int = 5) -> ImageRegions:
    return image_regions(f"{number}.jpg", count, seed=number, size=SIZE)


PHOTOS = [photo(number) for number in range(60)]


def filled(folder: Path) -> RegionCache:
    """A cache with all `PHOTOS`."""
    cache = RegionCache(folder, SPEC)
    for regions in PHOTOS:
        cache.put(regions)
    return cache


def edit(cache: RegionCache, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(cache.path)) as connection, connection:
        connection.execute(statement, values)


def found(cache: RegionCache) -> int:
    """How many of `PHOTOS` the cache has; each of them must be right."""
    count = 0
    for regions in PHOTOS:
        kept = cache.get(regions.sha256)
        assert kept is None or are_same(kept, regions)
        count += kept is not None
    return count


def test_regions_are_found_as_they_were_put_by_every_cache_of_the_folder(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert found(cache) == found(RegionCache(tmp_path, SPEC)) == len(PHOTOS)
    assert cache.get("f" * 64) is None
    assert found(RegionCache(tmp_path, FeatureSpec(RegionConfig(top=3), "0" * 64, SIZE))) == 0
    changed = image_regions("other", 2, seed=0, size=SIZE)
    cache.put(changed)
    assert are_same(RegionCache(tmp_path, SPEC).get(changed.sha256), changed)


def test_a_name_that_is_not_utf8_can_be_cached(tmp_path: Path) -> None:
    regions = image_regions("caf\udce9.jpg", 2, size=SIZE)
    cache = RegionCache(tmp_path, SPEC)
    cache.put(regions)
    assert are_same(cache.get(regions.sha256), regions)


def test_the_folder_is_vsa_home_or_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSA_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("VSA_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "vsa"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "vsa"


def test_the_file_stays_within_its_limit(tmp_path: Path) -> None:
    limit = 100_000
    cache = RegionCache(tmp_path, SPEC, max_bytes=limit)
    for number in range(300):
        cache.put(photo(number, count=1 + number % 40))
        assert cache.path.stat().st_size <= limit + 2 * len(regions_to_bytes(photo(0, 40)))
        assert cache.get(photo(number).sha256) is not None
    assert 10 < count_cached(tmp_path)[0] < 300


def test_photographs_unused_for_longest_are_removed_first(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    edit(cache, "UPDATE regions SET used = ?", int(time.time()) - 10**5)
    recent = PHOTOS[::6]
    assert all(cache.get(regions.sha256) is not None for regions in recent)
    small = RegionCache(tmp_path, SPEC, max_bytes=cache.path.stat().st_size // 2)
    small.put(photo(1000))
    assert all(cache.get(regions.sha256) is not None for regions in (*recent, photo(1000)))
    assert len(recent) < found(cache) < len(PHOTOS) / 2 + 2


def test_a_use_is_recorded_once_an_hour(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    written = cache.path.stat().st_mtime_ns
    assert found(cache) == len(PHOTOS)
    assert cache.path.stat().st_mtime_ns == written
    edit(cache, "UPDATE regions SET used = used - 4000")
    assert found(cache) == len(PHOTOS)
    written = cache.path.stat().st_mtime_ns
    assert found(cache) == len(PHOTOS)
    assert cache.path.stat().st_mtime_ns == written
    edit(cache, "UPDATE regions SET used = ?", 2**62)  # a clock that was wrong
    assert found(cache) == len(PHOTOS)
    with closing(sqlite3.connect(cache.path)) as connection:
        assert connection.execute("SELECT max(used) FROM regions").fetchone()[0] <= time.time()


def test_threads_share_a_cache_and_caches_share_a_file(tmp_path: Path) -> None:
    caches = [RegionCache(tmp_path, SPEC, max_bytes=60_000) for _ in range(2)] * 2

    def use(cache: RegionCache) -> bool:
        whole = True
        for regions in PHOTOS * 2:
            cache.put(regions)
            kept = cache.get(regions.sha256)
            whole = whole and (kept is None or are_same(kept, regions))
        return whole

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, caches))
    caches[0].put(PHOTOS[-1])  # within one second, a full cache loses the smallest hashes first
    assert are_same(caches[1].get(PHOTOS[-1].sha256), PHOTOS[-1])


def _write(folder: Path, seed: int, seconds: float) -> None:
    """Put and get photographs; exits with 1 if the regions of one differ from those put."""
    cache, rng = RegionCache(folder, SPEC, max_bytes=60_000), random.Random(seed)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        regions = rng.choice(PHOTOS)
        cache.put(regions)
        kept = cache.get(regions.sha256)
        if kept is not None and not are_same(kept, regions):
            raise SystemExit(1)


def test_processes_share_a_cache_and_a_killed_one_does_no_damage(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    for turn in range(2):
        writers = [spawn.Process(target=_write, args=(tmp_path, turn, seconds)) for seconds in (60, 0.7, 0.7)]
        for writer in writers:
            writer.start()
        for writer in writers[1:]:
            writer.join(60)
        os.kill(writers[0].pid or 0, signal.SIGKILL)
        writers[0].join()
        assert [writer.exitcode for writer in writers] == [-signal.SIGKILL, 0, 0]
        cache = RegionCache(tmp_path, SPEC)
        assert found(cache) > 5
    cache.put(PHOTOS[0])
    assert are_same(cache.get(PHOTOS[0].sha256), PHOTOS[0])


def test_a_locked_cache_is_waited_for(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    with closing(sqlite3.connect(cache.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(0.2, other.execute, ["COMMIT"])
        timer.start()
        started = time.monotonic()
        assert are_same(cache.get(PHOTOS[0].sha256), PHOTOS[0])
        assert time.monotonic() - started > 0.1
        timer.join()


def survives(folder: Path) -> None:
    """A damaged cache returns correct regions or none, and soon keeps all new ones."""
    for _ in range(4):
        cache = RegionCache(folder, SPEC)
        found(cache)
        for regions in PHOTOS:
            cache.put(regions)
        if found(cache) == found(RegionCache(folder, SPEC)) == len(PHOTOS):
            return
    pytest.fail("photographs are lost again and again")


def test_cache_recovers_from_truncation_anywhere(tmp_path: Path) -> None:
    path = filled(tmp_path).path
    whole = path.read_bytes()
    for size in (*range(0, 120, 17), *range(1000, len(whole), len(whole) // 12)):
        path.write_bytes(whole[:size])
        survives(tmp_path)


def test_cache_recovers_from_random_bytes_anywhere(tmp_path: Path) -> None:
    path = filled(tmp_path).path
    whole, rng = path.read_bytes(), random.Random(0)
    for start in (*range(0, 100, 4), *range(100, len(whole), len(whole) // 25)):
        damaged = bytearray(whole)
        damaged[start : start + rng.choice([1, 4, 4096])] = rng.randbytes(rng.choice([1, 4]))
        path.write_bytes(damaged[: len(whole)])
        survives(tmp_path)


def test_cache_recovers_from_page_sized_noise_anywhere(tmp_path: Path) -> None:
    path = filled(tmp_path).path
    whole, rng = path.read_bytes(), random.Random(0)
    for page in range(0, len(whole) // 4096, 3):
        damaged = bytearray(whole)
        damaged[page * 4096 : (page + 1) * 4096] = rng.randbytes(4096)
        path.write_bytes(damaged)
        survives(tmp_path)


def other_schema(*statements: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return write


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a database" * 1000),
        lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(5000)),
        other_schema("CREATE TABLE regions (sha256)"),
        other_schema("CREATE TABLE mine (x)", "INSERT INTO mine VALUES (1)"),
        other_schema(
            "CREATE VIEW regions AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
            "SELECT x AS used, x AS sha256, x AS record FROM n"
        ),
    ],
)
def test_a_file_that_is_not_a_cache_is_replaced(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    path = RegionCache(tmp_path, SPEC).path
    path.parent.mkdir(parents=True)
    write(path)
    survives(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON regions BEGIN DELETE FROM regions; END",
        "CREATE TABLE more (x)",
        "CREATE INDEX i ON regions (record)",
        "PRAGMA journal_mode = WAL",
        "DROP TABLE regions",
        "UPDATE regions SET record = zeroblob(100)",
        "UPDATE regions SET record = 'text'",
        "UPDATE regions SET record = 7",
        "UPDATE regions SET used = 'never'",
        "UPDATE regions SET used = x'ff'",
    ],
)
def test_cache_recovers_from_edits(tmp_path: Path, statement: str) -> None:
    cache = filled(tmp_path)
    edit(cache, statement)
    survives(tmp_path)


def test_a_record_under_another_hash_or_of_another_size_is_ignored(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    one, two, three = PHOTOS[:3]
    edit(cache, "UPDATE regions SET record = ? WHERE sha256 = ?", regions_to_bytes(two), one.sha256)
    narrow = image_regions("3.jpg", 5, seed=2, size=SIZE - 1)
    edit(cache, "UPDATE regions SET record = ? WHERE sha256 = ?", regions_to_bytes(narrow), three.sha256)
    assert (cache.get(one.sha256), cache.get(three.sha256)) == (None, None)
    assert are_same(cache.get(two.sha256), two)


def test_a_journal_that_names_another_file_deletes_nothing(tmp_path: Path) -> None:
    cache, victim = filled(tmp_path), tmp_path / "victim"
    victim.touch()
    name = os.fsencode(victim)
    record = b"\0\0\0\1" + name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big")
    journal = cache.path.with_name(f"{cache.path.name}-journal")
    journal.write_bytes(b"\1" * 512 + record + bytes.fromhex("d9d505f920a163d7"))
    survives(tmp_path)
    assert victim.exists()
    assert not journal.exists()


def test_a_file_removed_or_replaced_during_use_is_created_again(tmp_path: Path) -> None:
    cache, other = filled(tmp_path), RegionCache(tmp_path, SPEC)
    assert found(other) == len(PHOTOS)
    cache.path.unlink()
    other.put(PHOTOS[0])
    assert (found(cache), found(other)) == (1, 1)
    cache.path.write_bytes(b"damage")
    cache.put(PHOTOS[1])
    cache.put(PHOTOS[1])
    assert found(cache) == found(other) >= 1


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", Path("/proc/none"), Path("/dev/null/cache")):
        cache = RegionCache(folder, SPEC)
        cache.put(PHOTOS[0])
        assert cache.get(PHOTOS[0].sha256) is None
    cache = RegionCache(tmp_path, SPEC)
    cache.path.mkdir(parents=True)
    cache.put(PHOTOS[0])
    assert cache.get(PHOTOS[0].sha256) is None


def test_a_read_only_cache_is_read_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path).path
    before, connect = path.read_bytes(), sqlite3.connect
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(sqlite3, "connect", lambda at, **more: connect(f"{at.as_uri()}?mode=ro", uri=True, **more))
    cache = RegionCache(tmp_path, SPEC)
    monkeypatch.setattr(time, "time", lambda clock=time.time: clock() + 10**6)  # each use is to be noted
    assert found(cache) == len(PHOTOS)
    cache.put(photo(1000))
    assert cache.get(photo(1000).sha256) is None
    assert path.read_bytes() == before


def test_a_full_disk_keeps_existing_entries(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (cache.path.stat().st_size, limits[1]))
    try:
        for number in range(1000, 1020):
            cache.put(photo(number, 40))
        assert found(cache) == len(PHOTOS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    cache.put(photo(1000))
    assert cache.get(photo(1000).sha256) is not None
    assert found(cache) == len(PHOTOS)


def test_entries_of_the_old_cache_are_removed_when_the_new_one_is_made(tmp_path: Path) -> None:
    cache = RegionCache(tmp_path, SPEC)
    old, other = cache.path.with_suffix("") / "ab", tmp_path / "regions" / "0123456789abcdef" / "ab"
    for folder in (old, other):
        folder.mkdir(parents=True)
        (folder / "ab.npz").touch()
    cache.put(PHOTOS[0])
    assert not old.parent.exists()
    assert (other / "ab.npz").exists()


def test_a_link_in_place_of_the_old_cache_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kept").touch()
    cache = RegionCache(tmp_path / "cache", SPEC)
    cache.path.parent.mkdir(parents=True)
    cache.path.with_suffix("").symlink_to(mine)
    cache.put(PHOTOS[0])
    assert (mine / "kept").exists()


def test_entries_and_bytes_of_a_folder_are_counted(tmp_path: Path) -> None:
    assert count_cached(tmp_path) == (0, 0)
    cache = filled(tmp_path)
    other = RegionCache(tmp_path, FeatureSpec(RegionConfig(top=3), "0" * 64, SIZE))
    other.put(PHOTOS[0])
    size = cache.path.stat().st_size + other.path.stat().st_size
    assert count_cached(tmp_path) == (len(PHOTOS) + 1, size)
    other.path.write_bytes(b"damage")
    (other.path.parent / "gone.sqlite").symlink_to(tmp_path / "gone")
    assert count_cached(tmp_path) == (len(PHOTOS), cache.path.stat().st_size + 6)


def test_a_tuned_cnn_has_a_cache_of_its_own(tmp_path: Path) -> None:
    tuned = replace(SPEC, tail_sha256="1" * 64)
    assert RegionCache(tmp_path, tuned).path != RegionCache(tmp_path, SPEC).path


def test_a_photograph_described_with_details_serves_models_without_them(tmp_path: Path) -> None:
    detailed = RegionCache(tmp_path, FeatureSpec(RegionConfig(details=True), "0" * 64, SIZE + 7))
    plain = RegionCache(tmp_path, SPEC)
    regions = image_regions("photo.jpg", 5, size=SIZE + 7)
    without = replace(regions, descriptors=regions.descriptors[:, :SIZE].copy())
    plain.put(without)
    assert detailed.get(regions.sha256) is None
    assert are_same(plain.get(regions.sha256), without)
    detailed.put(regions)
    assert are_same(detailed.get(regions.sha256), regions)
    assert are_same(plain.get(regions.sha256), without)
    assert count_cached(tmp_path)[0] == 1


def test_descriptors_that_are_too_long_are_not_cut_for_a_model_with_details(tmp_path: Path) -> None:
    detailed = RegionCache(tmp_path, FeatureSpec(RegionConfig(details=True), "0" * 64, SIZE))
    longer = image_regions("photo.jpg", 5, size=SIZE + 7)
    detailed.put(longer)
    assert detailed.get(longer.sha256) is None
