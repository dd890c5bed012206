import itertools
import threading
import time
from pathlib import Path

import pytest

from engine.catalog.catalog import Catalog
from engine.catalog.changes import (
    Change,
    CreateDatabase,
    CreateToken,
    CreateTrigger,
    DeleteDatabase,
    DeleteTrigger,
    SetTriggerEnabled,
)
from engine.catalog.codec import decode, encode
from engine.catalog.state import CatalogState
from engine.errors import AlreadyExists, CatalogEditRefused, SyncFailed
from engine.paths import NodePaths
from tests.support.catalog import HASH, UUID, Checks, a_state, a_trigger, open_catalog
from tests.support.disk import CrashingDisk, Stopped

TEXT = encode(a_state()).text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return NodePaths(tmp_path, "node0").catalog


def in_file(file: Path) -> CatalogState:
    return decode(file.read_bytes(), "f").state


# Opening


def test_first_start_makes_a_file_for_its_owner_only(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [d.name for d in catalog.state.databases] == ["_internal"]
    assert in_file(file) == catalog.state
    assert open_catalog(tmp_path).state == catalog.state


def test_start_leaves_a_complete_file_alone(tmp_path: Path, file: Path) -> None:
    text = TEXT.replace("\n[", "\n# mine\n[")
    assert open_catalog(tmp_path, text=text).state == a_state()
    assert file.read_text() == text


def test_start_writes_in_what_a_person_left_out(tmp_path: Path, file: Path) -> None:
    text = 'format_version = 1 # mine\n[databases.d.triggers.t] # here\nspec = "all_tables"\nplugin = "p.py"\n'
    state = open_catalog(tmp_path, text=text).state
    database = state.database("d")
    internal = state.database("_internal")
    assert database is not None
    assert internal is not None
    assert file.read_text() == (
        f'format_version = 1 # mine\ncluster_uuid = "{state.cluster_uuid}"\n'
        f"\n[databases.d]\nid = {database.database_id}\n"
        f"[databases.d.triggers.t] # here\nid = {database.triggers[0].trigger_id}\n"
        'spec = "all_tables"\nplugin = "p.py"\n'
        f"\n[databases._internal]\nid = {internal.database_id}\n"
    )
    assert open_catalog(tmp_path).state == state


def test_start_with_a_bad_file_says_where(tmp_path: Path, file: Path) -> None:
    with pytest.raises(CatalogEditRefused) as caught:
        open_catalog(tmp_path, text=TEXT.replace('spec = "table:cpu"\nplugin', 'spec = "table:"\nplugin', 1))
    assert str(caught.value).startswith(f"{file}, line ")
    assert str(caught.value).endswith("failed to parse trigger from table:: table name is empty")


@pytest.mark.parametrize(
    "text", [None, f'format_version = 1\ncluster_uuid = "{UUID}"\n'], ids=["no file", "no database"]
)
def test_start_without_a_database_that_has_data_is_refused(tmp_path: Path, file: Path, text: str | None) -> None:
    with pytest.raises(CatalogEditRefused, match="the database with id 2 is missing, and data of it exists"):
        open_catalog(tmp_path, text=text, checks=Checks(with_data=[2]))
    assert file.exists() == (text is not None)


def test_start_looks_for_the_plugins_of_new_triggers_only(tmp_path: Path) -> None:
    text = TEXT + '[databases.sensors.triggers.new]\nspec = "all_tables"\nplugin = "new.py"\n'
    checks = Checks(missing=["copy.py"])
    open_catalog(tmp_path, text=text, checks=checks)
    assert checks.asked == ["new.py"]
    with pytest.raises(CatalogEditRefused, match=r"plugin 'new.py' of trigger 'new': not found"):
        open_catalog(tmp_path, text=text, checks=Checks(missing=["new.py"]))


# Own changes


def test_change_is_in_force_in_the_file_and_told(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    told: list[tuple[CatalogState, CatalogState]] = []
    catalog.subscribe(lambda old, new: told.append((old, new)))
    state = catalog.apply(CreateDatabase("new"))
    assert catalog.state is state
    assert in_file(file) == state
    assert told == [(a_state(), state)]


def test_change_of_nothing_writes_and_tells_nothing(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    catalog = open_catalog(tmp_path, text=TEXT, disk=disk)
    told: list[CatalogState] = []
    catalog.subscribe(lambda old, new: told.append(new))
    steps = disk.steps
    catalog.apply(SetTriggerEnabled("sensors", "copy", True))
    assert (told, disk.steps) == ([], steps)


def test_refused_change_leaves_everything_as_it_was(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    with pytest.raises(AlreadyExists):
        catalog.apply(CreateDatabase("sensors"))
    assert catalog.state == a_state()
    assert file.read_text() == TEXT


def test_change_is_durable_before_it_is_told(tmp_path: Path, file: Path) -> None:
    file.parent.mkdir()
    disk = CrashingDisk(tmp_path)
    catalog = open_catalog(tmp_path, text=TEXT, disk=disk)
    durable: list[bool] = []
    catalog.subscribe(lambda old, new: durable.append(disk.is_durable(file)))
    catalog.apply(CreateDatabase("new"))
    assert durable == [True]


class FolderSyncFails(CrashingDisk):
    """Fails when a name shall be made durable, as often as ``failures`` says."""

    failures = 0

    def sync_folder(self, path: Path) -> None:
        if self.failures:
            self.failures -= 1
            self.fail_next_sync("none")
        super().sync_folder(path)


@pytest.mark.parametrize("failing", ["write", "sync of the file", "sync of the folder"])
def test_change_that_the_disk_refuses_is_not_in_force(tmp_path: Path, file: Path, failing: str) -> None:
    disk = FolderSyncFails(tmp_path)
    catalog = open_catalog(tmp_path, text=TEXT, disk=disk)
    told: list[CatalogState] = []
    catalog.subscribe(lambda old, new: told.append(new))
    match failing:
        case "write":
            disk.fail_next_write()
        case "sync of the file":
            disk.fail_next_sync()
        case _:
            disk.failures = 1
    with pytest.raises(OSError, match=r"no space|input/output"):
        catalog.apply(CreateDatabase("new"))
    catalog.poll_edits()
    assert (catalog.state, catalog.problem, told) == (a_state(), None, [])
    state = catalog.apply(CreateDatabase("other"))
    assert state.database("new") is None
    assert in_file(file) == state


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", range(5))
def test_crash_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path: Path, step: int, seed: int) -> None:
    root = tmp_path / "data"
    open_catalog(root, text=TEXT)
    disk = CrashingDisk(root, seed)
    catalog = open_catalog(root, disk=disk)
    disk.stop_at(disk.steps + step)
    is_acknowledged = True
    try:
        catalog.apply(CreateDatabase("new"))
    except Stopped:
        is_acknowledged = False
    assert is_acknowledged == (step == 4)
    after = open_catalog(disk.crash(tmp_path / "after")).state
    names = [d.name for d in after.databases if d.name not in ("_internal", "sensors", "old-20261120T101112")]
    assert names in ([["new"]] if is_acknowledged else [[], ["new"]])


def test_changes_from_many_threads_are_all_made_and_told_in_order(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path)
    told: list[tuple[CatalogState, CatalogState]] = []
    catalog.subscribe(lambda old, new: told.append((old, new)))
    names = [[f"{letter}{number}" for number in range(8)] for letter in "abcd"]
    threads = [
        threading.Thread(target=lambda own=own: [catalog.apply(CreateDatabase(n)) for n in own]) for own in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(in_file(file).databases) == 33
    assert len(told) == 32
    assert all(before[1] is after[0] for before, after in itertools.pairwise(told))


def test_failure_of_an_observer_reaches_who_made_the_change(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    told: list[str] = []

    def fail(old: CatalogState, new: CatalogState) -> None:
        raise SyncFailed("the log cannot take it")

    catalog.subscribe(fail)
    catalog.subscribe(lambda old, new: told.append("second"))
    with pytest.raises(SyncFailed, match="the log cannot take it"):
        catalog.apply(CreateDatabase("new"))
    assert told == ["second"]
    assert catalog.state.database("new") is not None


def test_observer_may_change_the_catalog(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    told: list[list[str]] = []

    def add_another(old: CatalogState, new: CatalogState) -> None:
        if new.database("b") is None:
            catalog.apply(CreateDatabase("b"))

    catalog.subscribe(add_another)
    catalog.subscribe(lambda old, new: told.append([d.name for d in new.databases]))
    catalog.apply(CreateDatabase("a"))
    assert told == [["_internal", "a"], ["_internal", "a", "b"]]


# Edits by hand


def test_good_edit_is_taken_and_told(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    told: list[tuple[CatalogState, CatalogState]] = []
    catalog.subscribe(lambda old, new: told.append((old, new)))
    text = TEXT.replace("[databases.sensors.triggers.copy]", "# off\n[databases.sensors.triggers.copy]")
    text = text.replace("enabled = true", "enabled = false # for now")
    file.write_text(text)
    catalog.poll_edits()
    trigger = catalog.state.trigger_by_id(11)
    assert trigger is not None
    assert not trigger[1].enabled
    assert told == [(a_state(), catalog.state)]
    assert file.read_text() == text


def test_edit_of_comments_only_is_kept_and_not_told(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    before, told = catalog.state, []
    catalog.subscribe(lambda old, new: told.append(new))
    file.write_text(TEXT + "# mine\n")
    catalog.poll_edits()
    assert catalog.state is before
    assert told == []
    catalog.apply(DeleteTrigger("sensors", "watch"))
    assert file.read_text().endswith("# mine\n")


def test_taken_edit_is_durable_before_it_is_told(tmp_path: Path, file: Path) -> None:
    disk = CrashingDisk(tmp_path)
    catalog = open_catalog(tmp_path, text=TEXT, disk=disk)
    syncs = disk.syncs
    durable: list[int] = []
    catalog.subscribe(lambda old, new: durable.append(disk.syncs - syncs))
    file.write_text(TEXT.replace("enabled = true", "enabled = false"))
    catalog.poll_edits()
    assert durable == [2]


def test_trigger_added_by_hand_gets_an_id_in_the_file(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    entry = '\n[databases.sensors.triggers.new]\nspec = "every:5s"\nplugin = "new.py" # mine\n'
    file.write_text(TEXT + entry)
    catalog.poll_edits()
    sensors = catalog.state.database("sensors")
    assert sensors is not None
    new = sensors.trigger("new")
    assert new is not None
    assert new.trigger_id
    assert file.read_text() == TEXT + entry.replace("new]\n", f"new]\nid = {new.trigger_id}\n")


def test_own_change_takes_an_edit_along(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    file.write_text(TEXT.replace("enabled = true", "enabled = false # mine"))
    state = catalog.apply(CreateDatabase("new"))
    trigger = state.trigger_by_id(11)
    assert trigger is not None
    assert not trigger[1].enabled
    assert "enabled = false # mine" in file.read_text()


BAD = [
    pytest.param("", "line 1: the file is empty", id="empty"),
    pytest.param(TEXT + "[\n", "not valid TOML", id="syntax"),
    pytest.param(TEXT.replace(UUID, UUID[::-1].replace("-", "")), "cluster_uuid cannot be changed", id="uuid"),
    pytest.param(TEXT[: TEXT.index("[tokens")], "all tokens are gone", id="tokens"),
    pytest.param(
        TEXT.replace("id = 2\n", "", 1).replace("databases.sensors", "databases.other"),
        "database 'sensors' (id 2) is missing, and data of it exists",
        id="database-with-data",
    ),
    pytest.param(
        TEXT[: TEXT.index("[databases._i")] + TEXT[TEXT.index("[databases.old") :],
        "cannot delete internal db",
        id="internal",
    ),
    pytest.param(
        TEXT.replace("_internal]\nid = 1\n", "_internal]\nid = 9\n"), "cannot modify internal db", id="internal-id"
    ),
    pytest.param(
        TEXT.replace("deleted = 2026-11-21T12:00:00.123Z\nhard_delete_at = 2026-11-21T12:00:01.123Z\n", "", 1),
        "database 'old-20261120T101112': deleted is set by command only",
        id="undeleted",
    ),
    pytest.param(
        TEXT.replace("id = 41\n", "id = 42\n"),
        "table 'cpu-20261121T120000': deleted is set by command only (`influxdb3 delete table NAME`)",
        id="deletion of another table",
    ),
    pytest.param(
        TEXT[: TEXT.index("[databases.sensors.tables.cpu-")] + TEXT[TEXT.index("[databases.sensors.triggers.copy") :],
        "the deleted table 'cpu-20261121T120000' (id 41) is missing; put it back, it goes by itself",
        id="undeleted table",
    ),
    pytest.param(
        TEXT.replace("tables.cpu-20261121T120000]", "tables.mem-20261121T120000]"),
        "table 'mem-20261121T120000': deleted is set by command only",
        id="renamed deleted table",
    ),
    pytest.param(
        TEXT.replace("[databases.sensors]\n", "[databases.sensors]\ndeleted = 2026-11-21T12:00:00Z\n").replace(
            "= true", "= false"
        ),
        "database 'sensors': deleted is set by command only",
        id="deleted",
    ),
    pytest.param(
        TEXT.replace('"copy.py"\nerror_behavior = "log"\nrun_asynchronous = false\nenabled = true', '"gone.py"'),
        "plugin 'gone.py' of trigger 'copy': not found",
        id="plugin",
    ),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_bad_edit_is_refused_as_a_whole(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    catalog = open_catalog(tmp_path, text=TEXT, checks=Checks(["gone.py"], [2]))
    told: list[CatalogState] = []
    catalog.subscribe(lambda old, new: told.append(new))
    file.write_text(text)
    catalog.poll_edits()
    catalog.poll_edits()
    assert catalog.problem is not None
    assert catalog.problem.startswith(str(file))
    assert reason in catalog.problem
    assert (catalog.state, told) == (a_state(), [])
    assert [record.getMessage() for record in caplog.records] == [f"catalog edit refused: {catalog.problem}"]
    assert file.read_text() == text


def test_only_changed_triggers_are_checked_for_their_plugin(tmp_path: Path, file: Path) -> None:
    checks = Checks(missing=["copy.py"])
    catalog = open_catalog(tmp_path, text=TEXT, checks=checks)
    file.write_text(TEXT + '[databases.sensors.triggers.new]\nspec = "all_tables"\nplugin = "new.py"\n')
    catalog.poll_edits()
    assert (catalog.problem, checks.asked) == (None, ["new.py"])


def test_trigger_whose_plugin_is_gone_can_be_disabled_by_hand(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT, checks=Checks(missing=["copy.py"]))
    file.write_text(TEXT.replace("enabled = true", "enabled = false"))
    catalog.poll_edits()
    assert catalog.problem is None
    file.write_text(TEXT)
    catalog.poll_edits()
    assert catalog.problem is not None
    assert catalog.problem.endswith("plugin 'copy.py' of trigger 'copy': not found")


def test_own_change_keeps_the_refused_file_aside(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    bads = ["one [", "two ["]
    for number, bad in enumerate(bads):
        file.write_text(bad)
        catalog.apply(CreateDatabase(f"new{number}"))
        assert in_file(file) == catalog.state
    kept = [file.with_name(f"catalog.toml.rejected-20261121T120000{suffix}") for suffix in ("", "-2")]
    assert [path.read_text() for path in kept] == bads
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    assert catalog.problem is not None
    assert catalog.problem.endswith("; that file was kept as catalog.toml.rejected-20261121T120000-2")


def test_file_that_is_gone_is_refused_and_written_anew(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    file.unlink()
    catalog.poll_edits()
    assert catalog.problem is not None
    assert catalog.state == a_state()
    catalog.apply(CreateDatabase("new"))
    assert in_file(file) == catalog.state
    assert list(file.parent.iterdir()) == [file]


def test_problem_ends_with_a_good_edit_or_when_the_file_is_put_back(tmp_path: Path, file: Path) -> None:
    catalog = open_catalog(tmp_path, text=TEXT)
    for good in (TEXT, TEXT + "# mine\n"):
        file.write_text("bad [")
        catalog.poll_edits()
        assert catalog.problem is not None
        file.write_text(good)
        catalog.poll_edits()
        assert catalog.problem is None


def test_edit_that_cannot_be_written_back_is_taken_later(tmp_path: Path, file: Path) -> None:
    disk = CrashingDisk(tmp_path)
    catalog = open_catalog(tmp_path, text=TEXT, disk=disk)
    file.write_text(TEXT + "\n[databases.new]\n")
    disk.fail_next_write()
    with pytest.raises(OSError, match="no space"):
        catalog.poll_edits()
    assert catalog.state == a_state()
    catalog.poll_edits()
    assert catalog.state.database("new") is not None
    assert in_file(file) == catalog.state


def test_edit_saved_again_while_it_is_judged_is_judged_again(tmp_path: Path, file: Path) -> None:
    later = TEXT + "\n[databases.later]\n"

    class SavesMeanwhile(Checks):
        def databases_with_data(self) -> frozenset[int]:
            if "early" in file.read_text():
                file.write_text(later)
            return frozenset()

    catalog = open_catalog(tmp_path, text=TEXT, checks=SavesMeanwhile())
    file.write_text(TEXT + "\n[databases.early]\n")
    catalog.poll_edits()
    assert catalog.state.database("early") is None
    assert catalog.state.database("later") is not None


# Speed


def test_a_thousand_triggers_are_no_burden(tmp_path: Path) -> None:
    state = a_state()
    text = TEXT + "".join(
        f'\n[databases.sensors.triggers.t{n}]\nid = {n + 1000}\nspec = "every:{n + 1}s"\nplugin = "p.py"\n'
        for n in range(1000)
    )
    begun = time.process_time()
    catalog: Catalog = open_catalog(tmp_path, text=text)
    assert time.process_time() - begun < 3
    changes: list[Change] = [
        CreateTrigger("sensors", a_trigger("new")),
        SetTriggerEnabled("sensors", "t500", False),
        DeleteTrigger("sensors", "t0", force=True),
        CreateToken("new", HASH),
        DeleteDatabase("sensors"),
    ]
    begun = time.process_time()
    for change in changes:
        catalog.apply(change)
    assert time.process_time() - begun < 1
    assert open_catalog(tmp_path).state == catalog.state
    assert catalog.state.cluster_uuid == state.cluster_uuid
