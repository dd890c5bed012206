"""The pictures of the page about the architecture: ``python -m docs.generator.pictures`` draws them anew."""

from pathlib import Path

from docs.generator.drawing import Arrow, Box, Picture

FOLDER = Path(__file__).parents[1] / "pictures"

PROCESSES = Picture(
    "processes",
    900,
    430,
    "Commands, agents and client libraries speak HTTP and gRPC with one port of the server process. Plugin hosts, parsers and "
    "joins are child processes. The server writes the data folder, the plugin host reads the log there.",
    (
        Box(10, 40, 160, 50, ("influxdb3 query …",), "outside"),
        Box(10, 110, 160, 50, ("curl, Telegraf",), "outside"),
        Box(10, 180, 160, 50, ("client libraries",), "outside"),
        Arrow(((170, 65), (250, 95)), "HTTP", (205, 68)),
        Arrow(((170, 135), (250, 125))),
        Arrow(((170, 205), (250, 155)), "HTTP, gRPC", (185, 246)),
        Box(230, 15, 350, 290, ("influxdb3 serve: one process, one port",), "frame"),
        Box(250, 50, 310, 110, ("server", "routes, tokens, formats, Flight", "one event loop")),
        Box(250, 190, 310, 95, ("engine", "write path · catalog · log · storage", "queries · caches · triggers")),
        Arrow(((405, 160), (405, 190)), both_ways=True),
        Box(660, 15, 220, 120, ("plugin host", "loads plugin files", "runs plugin code", "influxdb3_local"), "plugin"),
        Box(660, 150, 220, 50, ("spare host", "warm, for a replacement"), "plugin"),
        Box(660, 215, 220, 70, ("further children", "joins that can be killed,", "parsers of large bodies")),
        Arrow(((560, 225), (610, 225), (610, 75), (660, 75)), "unix socket", (620, 66), both_ways=True),
        Arrow(((560, 250), (660, 250)), both_ways=True),
        Box(230, 345, 650, 65, ("data folder", "catalog.toml · wal/ · parquet/ · manifest · checkpoints/"), "store"),
        Arrow(((405, 285), (405, 345)), "append, sync, replace", (485, 328)),
        Arrow(((850, 345), (850, 290), (893, 290), (893, 75), (880, 75)), "mapped, read only", (785, 335)),
    ),
)

WRITE = Picture(
    "write",
    900,
    300,
    "A body of line protocol is parsed to columns, checked against the table's columns, queued, written to the log with all that "
    "waits, and synced once. Then the rows are visible, caches are filled, triggers woken, and the client gets its answer.",
    (
        Box(15, 40, 130, 70, ("request", "token, gzip"), "outside"),
        Arrow(((145, 75), (175, 75))),
        Box(175, 40, 150, 70, ("parse", "bytes to columns,", "or line by line")),
        Arrow(((325, 75), (355, 75))),
        Box(355, 40, 160, 70, ("validate", "types, new columns,", "rejected lines")),
        Arrow(((515, 75), (545, 75))),
        Box(545, 40, 140, 70, ("wait", "with all others")),
        Arrow(((685, 75), (715, 75))),
        Box(715, 40, 170, 70, ("log", "one frame, one sync", "no timer"), "store"),
        Arrow(((800, 110), (800, 190)), "in log order", (845, 155)),
        Box(690, 190, 195, 80, ("rows are visible", "in memory, until a", "snapshot stores them")),
        Arrow(((690, 230), (640, 230))),
        Box(490, 190, 150, 80, ("caches", "last and distinct", "values")),
        Arrow(((490, 230), (440, 230))),
        Box(280, 190, 160, 80, ("triggers", "those of the table", "are woken")),
        Arrow(((280, 230), (145, 230))),
        Box(15, 190, 130, 80, ("answer", "204, or 400 with", "rejected lines"), "outside"),
    ),
)

RUN = Picture(
    "run",
    900,
    380,
    "A trigger reads the log from its position. A batch goes to a plugin host, which calls the plugin. What it wrote, its "
    "cache, its progress and the record of the run become one record of the log. A failed run is decided upon: again, dead "
    "letter, or disabled.",
    (
        Box(20, 30, 860, 60, ("log: the queue", "… rows   rows   rows   commit   rows …"), "store"),
        Arrow(((110, 90), (110, 150)), "from its position", (170, 125)),
        Box(20, 150, 180, 80, ("batch", "whole records, more", "of them under load")),
        Arrow(((200, 190), (260, 190))),
        Box(260, 150, 200, 80, ("plugin host", "rows as dicts or columns,", "calls the plugin"), "plugin"),
        Arrow(((460, 190), (540, 190)), "returned", (500, 180)),
        Box(540, 150, 210, 80, ("commit: one record", "output, cache, progress,", "record of the run")),
        Arrow(((645, 150), (645, 90)), "synced", (675, 125)),
        Arrow(((360, 230), (360, 290)), "raised, too long, died", (440, 265)),
        Box(260, 290, 200, 70, ("decide", "error behaviour,", "number of the attempt")),
        Arrow(((260, 325), (110, 325), (110, 230)), "again, later", (180, 316)),
        Arrow(((460, 310), (540, 310))),
        Box(540, 285, 210, 30, ("dead letter",), "store"),
        Arrow(((460, 342), (540, 342))),
        Box(540, 328, 210, 30, ("trigger is disabled",), "store"),
        Arrow(((750, 300), (830, 300), (830, 90)), "a row, too", (790, 290)),
    ),
)

DISK = Picture(
    "disk",
    900,
    330,
    "The log is a row of segments. A snapshot writes rows up to one position to Parquet files, the manifest names the files "
    "that count, the checkpoint keeps progress and state. Segments go when manifest, checkpoint and all triggers are past them.",
    (
        Box(20, 30, 130, 60, ("segment", "may go"), "outside"),
        Box(160, 30, 130, 60, ("segment", "a trigger here"), "store"),
        Box(300, 30, 130, 60, ("segment",), "store"),
        Box(440, 30, 130, 60, ("segment", "is written to"), "store"),
        Arrow(((600, 60), (572, 60)), "new records", (645, 64)),
        Arrow(((430, 125), (430, 92)), "rows_until, state_until", (430, 142)),
        Box(20, 190, 250, 90, ("Parquet files", "rows up to rows_until,", "never changed once written"), "store"),
        Box(330, 190, 200, 90, ("manifest", "which files count,", "rows_until, schemas"), "store"),
        Box(590, 190, 290, 90, ("checkpoint", "progress of triggers, plugin state,", "up to state_until"), "store"),
        Arrow(((330, 235), (270, 235)), "names", (300, 226)),
        Arrow(((530, 235), (590, 235)), "names", (560, 226)),
        Arrow(((225, 90), (145, 190)), "snapshot", (140, 145)),
        Box(690, 30, 195, 60, ("catalog.toml", "definitions, readable"), "store"),
        Arrow(((145, 310), (145, 282)), "compaction: many become few", (250, 316)),
    ),
)

RECOVERY = Picture(
    "recovery",
    900,
    210,
    "A start takes the lock, reads manifest and checkpoint, replays the log behind them, compares triggers with the catalog, "
    "fills caches and starts triggers; then the server is ready.",
    (
        Box(15, 30, 120, 60, ("lock", "one process")),
        Arrow(((135, 60), (160, 60))),
        Box(160, 30, 150, 60, ("manifest", "files, positions")),
        Arrow(((310, 60), (335, 60))),
        Box(335, 30, 170, 60, ("checkpoint", "progress, state")),
        Arrow(((505, 60), (530, 60))),
        Box(530, 30, 355, 60, ("replay the log", "rows above rows_until, state above state_until")),
        Arrow(((800, 90), (800, 125))),
        Box(590, 125, 295, 60, ("compare with catalog.toml", "open, close what a crash left")),
        Arrow(((590, 155), (560, 155))),
        Box(405, 125, 155, 60, ("fill caches",)),
        Arrow(((405, 155), (375, 155))),
        Box(205, 125, 170, 60, ("start triggers", "interrupted runs too")),
        Arrow(((205, 155), (175, 155))),
        Box(15, 125, 160, 60, ("ready", "/health says OK")),
    ),
)

PICTURES = (PROCESSES, WRITE, RUN, DISK, RECOVERY)


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture.name}.svg").write_text(picture.svg())


if __name__ == "__main__":
    main()
