"""The tool itself, on two tiny plugins: one works, one asks for what the engine does not have."""

import re
from pathlib import Path

import pytest

from tests.public_plugins.__main__ import main
from tests.support.scene import write_files

GOOD = '''"""
{
    "plugin_type": ["onwrite", "http"],
    "onwrite_args_config": [{"name": "measurement", "example": "cpu", "required": true}],
    "http_body_config": [{"name": "text", "example": "hello", "required": true}]
}
"""
import json


def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        line = LineBuilder("counted").tag("table", batch["table_name"]).int64_field("rows", len(batch["rows"]))
        influxdb3_local.write(line.tag("asked", str(batch["table_name"] == args["measurement"])))


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    if not request_body:
        influxdb3_local.error("no body")
        return {"error": "no body"}, 400
    return json.loads(request_body)
'''
BAD = """
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return influxdb3_local.trigger_name()
"""
MANIFEST = '[plugin]\nname = "{name}"\ntriggers = [{triggers}]\n[dependencies]\ndatabase_version = ">=3.0.0"\n'


@pytest.mark.process
def test_plugins_of_a_folder_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    triggers = '"process_writes", "process_request"'
    write_files(
        tmp_path / "repository",
        {
            "me/good/manifest.toml": MANIFEST.format(name="good", triggers=triggers),
            "me/good/good.py": GOOD,
            "me/bad/manifest.toml": MANIFEST.format(name="bad", triggers='"process_request"'),
            "me/bad/__init__.py": BAD,
        },
    )
    assert main([str(tmp_path / "repository"), "--offline"]) == 1
    lines = [re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    told = {tuple(cells[:2]): cells[2:] for cells in lines if len(cells) > 3}
    assert told["good", "process_writes"][:3] == ["ran", "2", "2"]
    assert told["good", "process_request"][:2] == ["ran", "1"]
    assert told["bad", "process_request"][0] == "FAILED"
    assert "has no attribute 'trigger_name'" in told["bad", "process_request"][-1]
    assert lines[-1] == ["2 plugins, 3 functions; ran: 2, FAILED: 1"]


@pytest.mark.parametrize(("arguments", "words"), [([], "required: folder"), (["/no/such/folder"], "no such folder")])
def test_usage_is_told(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
