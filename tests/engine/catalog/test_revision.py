from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.changes import (
    Change,
    CreateCache,
    CreateDatabase,
    CreateToken,
    CreateTrigger,
    DeleteCache,
    DeleteDatabase,
    DeleteToken,
    DeleteTrigger,
    ForgetDatabase,
    ReplaceTokenHash,
    SetTriggerEnabled,
    apply_change,
)
from engine.catalog.codec import decode
from engine.catalog.revision import revise
from engine.catalog.state import CatalogState
from engine.catalog.tables import DeleteTable, ForgetTable, SetRetention
from engine.errors import EngineError
from tests.support.catalog import (
    HASH,
    NOON_NS,
    OTHER_HASH,
    UUID,
    CountingIds,
    Piece,
    a_trigger,
    caches,
    changed,
    handwritten,
    odd_texts,
    periods,
    states,
    table_key,
    triggers,
)

HEAD = f'format_version = 1\ncluster_uuid = "{UUID}"\n'


def revised(text: str, *changes: Change) -> str:
    """Return ``text`` after ``changes``."""
    file = decode(text.encode(), "f")
    return revise(file.source.document, file.state, changed(file.state, *changes)).text


@st.composite
def changes(draw: st.DrawFn, state: CatalogState) -> Change:
    """Draw a change that ``state`` mostly allows."""
    databases = st.sampled_from([d.name for d in state.databases if not d.is_internal] or ["none"])
    known = [(d, t) for d in state.databases if not d.is_deleted for t in d.triggers]
    kinds: list[st.SearchStrategy[Change]] = [
        st.builds(CreateDatabase, st.sampled_from(["new", "sensors", "db/rp"])),
        st.builds(DeleteDatabase, databases, st.sampled_from([None, NOON_NS + 10**9])),
        st.builds(CreateToken, odd_texts, st.just(HASH), st.sampled_from([None, NOON_NS])),
    ]
    if any(not d.is_deleted and not d.is_internal for d in state.databases):
        live = st.sampled_from([d.name for d in state.databases if not d.is_deleted and not d.is_internal])
        kinds.append(st.builds(CreateTrigger, live, triggers()))
        kinds.append(st.builds(CreateCache, live, caches()))
        kinds.append(st.builds(SetRetention, live, periods, st.sampled_from([None, "cpu"])))
    if known:
        home, trigger = draw(st.sampled_from(known))
        kinds.append(st.builds(SetTriggerEnabled, st.just(home.name), st.just(trigger.name), st.booleans()))
        kinds.append(st.just(DeleteTrigger(home.name, trigger.name, force=True)))
    kept = [(d, c) for d in state.databases for c in d.caches]
    if kept:
        home, cache = draw(st.sampled_from(kept))
        kinds.append(st.just(DeleteCache(home.name, type(cache), cache.table, cache.name)))
        kinds.append(st.just(DeleteTable(home.name, cache.table, 7)))
    described = [(d, t) for d in state.databases for t in d.tables]
    if described:
        owner, table = draw(st.sampled_from(described))
        kinds.append(st.builds(SetRetention, st.just(owner.name), periods, st.just(table.name)))
        kinds.append(st.just(ForgetTable(owner.database_id, table.table_id or 7)))
        moved = st.sampled_from([None, NOON_NS + 10**9])
        kinds.append(
            st.builds(DeleteTable, st.just(owner.name), st.just(table.name), st.just(table.table_id or 8), moved)
        )
    deleted = [d.database_id for d in state.databases if d.is_deleted]
    if deleted:
        kinds.append(st.builds(ForgetDatabase, st.sampled_from(deleted)))
    if state.tokens:
        name = draw(st.sampled_from([t.name for t in state.tokens]))
        kinds += [st.just(ReplaceTokenHash(name, OTHER_HASH)), st.just(DeleteToken(name))]
    return draw(st.one_of(kinds))


@given(st.data())
def test_changes_touch_only_their_own_entries(data: st.DataObject) -> None:
    state = data.draw(states())
    pieces = data.draw(handwritten(state))
    file = decode("".join(piece.text for piece in pieces).encode(), "f")
    document, touched, ids = file.source.document, {0}, CountingIds()
    for number in range(data.draw(st.integers(1, 4))):
        try:
            change = data.draw(changes(state))
            new = apply_change(state, change, now_ns=NOON_NS + number * 10**9, draw_id=ids)
        except EngineError:
            continue
        touched |= ids_that_differ(state, new)
        document, state = revise(document, state, new), new
        assert decode(document.text.encode(), "f").state == state
    assert_all_there(document.text, [piece for piece in pieces if piece.entry_id not in touched])
    assert comments_between(document.text) == comments_between("".join(p.text for p in pieces if p.entry_id in (0, -1)))


def ids_that_differ(old: CatalogState, new: CatalogState) -> set[int]:
    """Return the ids of the entries whose lines may change: a renamed database takes its triggers' headers along."""
    return {key for key, value in entries(old).items() if entries(new).get(key) != value}


def entries(state: CatalogState) -> dict[int, object]:
    """Return all that an entry's lines say, by its id."""
    said: dict[int, object] = {token.token_id: token for token in state.tokens}
    for database in state.databases:
        said[database.database_id] = (
            database.name,
            database.deleted_ns,
            database.hard_delete_ns,
            database.retention_s,
        )
        said |= {table_key(database, table): (database.name, table) for table in database.tables}
        said |= {trigger.trigger_id: (database.name, trigger) for trigger in database.triggers}
        said |= {cache.cache_id: (database.name, cache) for cache in database.caches}
    return said


def assert_all_there(text: str, pieces: list[Piece]) -> None:
    """Check that ``pieces`` stand in ``text`` in their order, byte for byte."""
    at = 0
    for piece in pieces:
        at = text.find(piece.text, at)
        assert at >= 0, piece
        at += len(piece.text)


def comments_between(text: str) -> list[str]:
    """Return the lines of ``text`` that are the loose comments of ``handwritten``; those inside entries look otherwise."""
    return [line for line in text.splitlines() if line.startswith("# loose")]


def test_new_trigger_stands_behind_the_others_of_its_database() -> None:
    text = HEAD + "[databases.a]\nid = 1\n\n# about b\n[databases.b]\nid = 2\n"
    assert revised(text, CreateTrigger("a", a_trigger("t"))) == (
        HEAD + '[databases.a]\nid = 1\n\n[databases.a.triggers.t]\nid = 101\nspec = "table:cpu"\nplugin = "copy.py"\n'
        'error_behavior = "log"\nrun_asynchronous = false\nenabled = true\n\n# about b\n[databases.b]\nid = 2\n'
    )


def test_new_database_stands_before_the_tokens() -> None:
    text = HEAD + f'\n[tokens.x]\nid = 1\nhash = "{HASH}"\ncreated = 2026-11-21T12:00:00Z\n# end'
    assert revised(text, CreateDatabase("a")) == text.replace("\n[tokens", "\n[databases.a]\nid = 101\n\n[tokens")


def test_enabling_changes_one_word() -> None:
    text = HEAD + (
        "[databases.a]\nid = 1\n[databases.a.triggers.t] # my trigger\nid = 2\n  enabled=true   # for now\n"
        "# why it is here\nspec = 'all_tables'\nplugin = 'p.py'\n"
    )
    assert revised(text, SetTriggerEnabled("a", "t", False)) == text.replace("=true ", "=false ")


def test_disabling_a_trigger_that_says_nothing_about_it_adds_one_line() -> None:
    text = (
        HEAD
        + "[databases.a]\nid = 1\n[databases.a.triggers.t]\nid = 2\nspec = 'all_tables'\nplugin = 'p.py'\n\n# end\n"
    )
    assert revised(text, SetTriggerEnabled("a", "t", False)) == text.replace("'p.py'\n", "'p.py'\nenabled = false\n")


def test_deleted_database_takes_its_name_in_all_headers_along() -> None:
    text = HEAD + (
        "[databases.a] # note\nid = 1\n[databases.b]\nid = 3\n"
        "[databases.a.triggers.t]\nid = 2\nspec = 'all_tables'\nplugin = 'p.py'\n[databases.a.triggers.t.arguments]\nx = '1'\n"
    )
    assert revised(text, DeleteDatabase("a")) == HEAD + (
        "[databases.a-20261121T120000] # note\nid = 1\ndeleted = 2026-11-21T12:00:00.123Z\n[databases.b]\nid = 3\n"
        "[databases.a-20261121T120000.triggers.t]\nid = 2\nspec = 'all_tables'\nplugin = 'p.py'\nenabled = false\n"
        "[databases.a-20261121T120000.triggers.t.arguments]\nx = '1'\n"
    )


def test_created_and_deleted_leaves_the_file_as_it_was() -> None:
    text = HEAD + "[databases.a]\nid = 1\n\n# about nothing\n"
    assert revised(text, CreateTrigger("a", a_trigger("t")), DeleteTrigger("a", "t", force=True)) == text
