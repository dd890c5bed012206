"""The examples of the help pages: command lines that work, in a fresh server, in this order."""

_EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": (
        "influxdb3 serve --data-dir ~/influxdb3 --plugin-dir ~/plugins",
        "influxdb3 serve --object-store memory --without-auth",
    ),
    "create": ("influxdb3 create database home --retention-period 30d",),
    "create database": ("influxdb3 create database home --retention-period 30d",),
    "create table": ("influxdb3 create table -d home room --tags name --fields temp:float64",),
    "write": (
        "influxdb3 write --database home 'cpu,host=a usage=0.6'",
        "influxdb3 write --database home --precision s --file lines.lp",
    ),
    "query": (
        "influxdb3 query --database home 'SELECT * FROM cpu ORDER BY time DESC LIMIT 5'",
        "influxdb3 query -d home --format csv --output cpu.csv 'SELECT * FROM cpu'",
    ),
    "": (
        "influxdb3 serve --data-dir ~/influxdb3 --plugin-dir ~/plugins",
        "influxdb3 write --database home 'cpu,host=a usage=0.6'",
        "influxdb3 query --database home 'SELECT * FROM cpu'",
    ),
    "create last_cache": (
        "influxdb3 create last_cache -d home -t cpu --key-columns host latest",
        "influxdb3 query -d home \"SELECT * FROM last_cache('cpu', 'latest')\"",
    ),
    "create distinct_cache": (
        "influxdb3 create distinct_cache -d home -t cpu --columns host hosts",
        "influxdb3 query -d home \"SELECT * FROM distinct_cache('cpu', 'hosts')\"",
    ),
    "create trigger": (
        "influxdb3 create trigger -d home --trigger-spec table:cpu --path alarm.py \\\n"
        "  --trigger-arguments threshold=90 alarm",
        "influxdb3 create trigger -d home --trigger-spec 'cron:0 8 * * *' \\\n  --path report.py daily",
    ),
    "create token": (
        "influxdb3 create token --admin",
        "influxdb3 create token --admin --name backups --expiry 90d",
    ),
    "show": ("influxdb3 show databases",),
    "show databases": ("influxdb3 show databases --format json",),
    "show retention": ("influxdb3 show retention --database home",),
    "show tokens": ("influxdb3 show tokens",),
    "show plugins": ("influxdb3 show plugins",),
    "show triggers": ("influxdb3 show triggers --database home",),
    "show dead_letters": ("influxdb3 show dead_letters --database home --trigger alarm",),
    "show backfills": ("influxdb3 show backfills --database home",),
    "show cache_state": ("influxdb3 show cache_state --database home --trigger alarm",),
    "show catalog": ("influxdb3 show catalog",),
    "show system": ("influxdb3 show system --database home summary",),
    "show system table-list": ("influxdb3 show system --database home table-list",),
    "show system table": ("influxdb3 show system --database home table queries --limit 5",),
    "show system summary": ("influxdb3 show system --database home summary --limit 3",),
    "update": ("influxdb3 update database --database home --retention-period 90d",),
    "update database": ("influxdb3 update database --database home --retention-period 90d",),
    "update table": ("influxdb3 update table --database home --retention-period 7d cpu",),
    "update trigger": (
        "influxdb3 update trigger -d home --trigger-arguments threshold=80 alarm",
        "influxdb3 update trigger -d home --error-behavior retry --timeout 30 alarm",
    ),
    "disable": ("influxdb3 disable trigger --database home alarm",),
    "disable trigger": ("influxdb3 disable trigger --database home alarm",),
    "enable": ("influxdb3 enable trigger --database home alarm",),
    "enable trigger": ("influxdb3 enable trigger --database home alarm",),
    "logs": (
        "influxdb3 logs --database home alarm",
        "influxdb3 logs --database home --level error --details alarm",
    ),
    "backfill": ("influxdb3 backfill trigger --database home --wait alarm",),
    "backfill trigger": ("influxdb3 backfill trigger --database home --start 2026-01-01 --wait alarm",),
    "retry": ("influxdb3 retry dead_letters --database home --trigger alarm --all",),
    "retry dead_letters": ("influxdb3 retry dead_letters --database home --trigger alarm --all",),
    "test": ("influxdb3 test wal_plugin --database home --lp 'cpu,host=a usage=95' alarm.py",),
    "test wal_plugin": (
        "influxdb3 test wal_plugin --database home --lp 'cpu,host=a usage=95' \\\n"
        "  --input-arguments threshold=90 alarm.py",
    ),
    "test schedule_plugin": ("influxdb3 test schedule_plugin -d home --schedule '0 8 * * *' report.py",),
    "test request_plugin": ("influxdb3 test request_plugin -d home --method POST --body Oslo hook.py",),
    "install": ("influxdb3 install package pandas requests==2.32.0",),
    "install package": (
        "influxdb3 install package pandas requests==2.32.0",
        "influxdb3 install package --requirements requirements.txt",
    ),
    "export": ("influxdb3 export --output triggers.toml",),
    "apply": (
        "influxdb3 apply --file triggers.toml --dry-run",
        "influxdb3 apply --file triggers.toml",
    ),
    "backup": ("influxdb3 backup ~/backups/monday",),
    "completion": ("influxdb3 completion bash",),
    "debug": ("influxdb3 debug catalog list --data-dir ~/influxdb3",),
    "debug catalog": ("influxdb3 debug catalog list --data-dir ~/influxdb3",),
    "debug catalog list": ("influxdb3 debug catalog list --data-dir ~/influxdb3 --all",),
    "debug catalog snapshot": ("influxdb3 debug catalog snapshot --data-dir ~/influxdb3 --full",),
    "debug catalog sequence": ("influxdb3 debug catalog sequence --data-dir ~/influxdb3 --headers-only",),
    "delete": ("influxdb3 delete table --database home room",),
    "delete dead_letters": ("influxdb3 delete dead_letters --database home --trigger alarm --all",),
    "delete backfill": ("influxdb3 delete backfill --database home alarm",),
    "delete cache_state": ("influxdb3 delete cache_state --database home --trigger alarm",),
    "delete trigger": ("influxdb3 delete trigger --database home --force alarm",),
    "delete last_cache": ("influxdb3 delete last_cache --database home --table cpu latest",),
    "delete distinct_cache": ("influxdb3 delete distinct_cache --database home --table cpu hosts",),
    "delete table": ("influxdb3 delete table --database home room",),
    "delete token": ("influxdb3 delete token --token-name backups",),
    "delete database": ("influxdb3 delete database home",),
}
_OTHER_NAMES = {"q": "query", "w": "write", "show s": "show system", "debug catalog ls": "debug catalog list"}


def examples_of(path: str) -> tuple[str, ...]:
    """Return command lines that show the command ``path``, such as ``influxdb3 create database``; empty = there is none."""
    words = path.partition(" ")[2]
    for short, name in _OTHER_NAMES.items():
        if words == short or words.startswith(f"{short} "):
            words = name + words.removeprefix(short)
    return _EXAMPLES.get(words, ())
