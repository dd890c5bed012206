"""The reference of settings, from their table."""

from docs.generator.markdown import code, codes, prose, table
from engine.setting import Setting
from engine.settings import SETTINGS


def markdown() -> str:
    """Return a table with a line for each setting."""
    return table(("Option", "Meaning", "Default", "Unit", "Variables"), [_row(setting) for setting in SETTINGS])


def _row(setting: Setting) -> tuple[str, str, str, str, str]:
    names = codes(f"--{name}" for name in (setting.name, *setting.other_names))
    meaning = prose(setting.help)
    if setting.choices:
        meaning += f" One of {codes(setting.choices)}."
    default = prose(setting.unset) if setting.default is None else code(setting.default)
    return names, meaning, default, setting.unit, codes(setting.environment)
