"""Plugins that are folders: imported under a name of their own, reloaded when a file in them changed."""

import builtins
import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from engine.clock import Clock
from engine.host.errors import RunFailed, RunInterrupted, details_of, rendered
from engine.host.foresight import rows_may_wait
from engine.host.stamps import Stamp

NO_WORD = re.compile(r"\W")
MOST_LOADS = 5
"""So often a package is imported for one run whose files change while it is imported."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """What was found in a folder: stamps of Python files (``None``: look into it again) and folders, digests of files."""

    stamps: dict[Path, Stamp | None]
    digests: dict[Path, bytes]


class Package:
    """One folder with ``__init__.py``; may be used by several threads.

    Inside, the folder's own name imports this package too. The private name is the same after a restart, so that
    pickled objects find their classes.

    Attributes:
        path: the folder.
        public_name: the folder's name.
        private_name: the name in Python's table of modules, where two folders of one name must not meet.
        rows_may_wait: whether the rows of a batch can be made when its code asks for them, see ``foresight``.
    """

    def __init__(self, path: str, finder: "PackageFinder", clock: Clock) -> None:
        self.path = Path(path).absolute()
        self.public_name = self.path.name
        digest = hashlib.sha256(bytes(self.path)).hexdigest()[:12]
        self.private_name = f"_plugin_{NO_WORD.sub('_', self.public_name)}_{digest}"
        self.rows_may_wait = False
        self._clock = clock
        self._module: ModuleType | None = None
        self._version = _Version(self)
        self._scan = _Scan({}, {})
        self._lock = threading.Lock()
        finder.add(self)

    def current(self) -> ModuleType:
        """Return the package as its files are now; as they were last, while the folder cannot be read.

        Raises:
            RunFailed: there is no such package, or importing it failed.
        """
        with self._lock:
            if self._module is None or self._has_changed():
                self._module = self._load_whole()
            return self._module

    @property
    def builtins(self) -> dict[str, Any]:
        """What the code of the current version finds as its builtins."""
        return self._version.builtins

    def readable(self, text: str) -> str:
        """Return ``text`` as the author of the package knows it."""
        return text.replace(self.private_name, self.public_name)

    def unload(self) -> dict[str, ModuleType]:
        """Take the package out of Python's table of modules, and return what was there."""
        names = [n for n in list(sys.modules) if n == self.private_name or n.startswith(f"{self.private_name}.")]
        return {name: sys.modules.pop(name) for name in names}

    def _load_whole(self) -> ModuleType:
        """Import the package; again if somebody replaced files meanwhile, so that no run has some of each version."""
        for _ in range(MOST_LOADS - 1):
            try:
                module = self._load()
            except RunFailed:
                if not self._has_changed():
                    raise
            else:
                if not self._has_changed():
                    return module
        return self._load()

    def _load(self) -> ModuleType:
        self._check()
        self._replace_version()
        importlib.invalidate_caches()
        self._scan = self._look()
        self.rows_may_wait = all(self._may_wait(path) for path in self._scan.digests)
        try:
            with _siblings_of(self.path):
                return importlib.import_module(self.private_name)
        except RunInterrupted:
            self._replace_version()
            raise
        except BaseException as error:  # a plugin's top-level code may raise anything
            self._replace_version()
            text = f"Failed to import plugin module '{self.public_name}': {self.readable(rendered(error))}"
            hint = "Hint: Check for syntax errors or missing dependencies in Python files."
            raise RunFailed("load", f"{text}\n{hint}", self.readable(details_of(error, None))) from error

    def _may_wait(self, path: Path) -> bool:
        try:
            return rows_may_wait(path.read_text(encoding="utf-8"), self.public_name)
        except (OSError, UnicodeDecodeError):  # importing it tells
            return False

    def _check(self) -> None:
        if not self.path.exists():
            raise RunFailed("load", f"reading plugin file: Plugin not found: {self.path}")
        if not (self.path / "__init__.py").is_file():
            text = f"reading plugin file: Multi-file plugin directory must contain __init__.py: {self.path}"
            raise RunFailed("load", text)

    def _replace_version(self) -> None:
        self._module = None
        self._version.retire(self.unload())
        self._version = _Version(self)

    def _has_changed(self) -> bool:
        if all(stamp is not None and stamp == Stamp.of_path(path) for path, stamp in self._scan.stamps.items()):
            return False
        found = self._look()
        if self.path / "__init__.py" not in found.digests:
            return False
        changed = found.digests != self._scan.digests
        self._scan = found
        return changed

    def _look(self) -> _Scan:
        now = self._clock.now_ns()
        scan = _Scan({}, {})
        for folder, subfolders, names in os.walk(self.path):
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            files = [Path(folder, name) for name in names if name.endswith(".py")]
            for path in (Path(folder), *files):
                stamp = Stamp.of_path(path)
                scan.stamps[path] = stamp if stamp and stamp.is_settled(now) else None
            for path in files:
                with contextlib.suppress(OSError):  # it has just gone
                    scan.digests[path] = hashlib.sha256(path.read_bytes()).digest()
        return scan


class _Version:
    """One version of a package's code: what ``import`` means to it.

    Runs that are under way when the package is reloaded stay with the modules that they have.
    """

    def __init__(self, package: Package) -> None:
        self._package = package
        self._retired: dict[str, ModuleType] = {}
        self.builtins = {**vars(builtins), "__import__": self._import}

    def retire(self, modules: dict[str, ModuleType]) -> None:
        """Go on with ``modules``: Python's table holds those of the next version."""
        self._retired = modules

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        public, private = self._package.public_name, self._package.private_name
        if level == 0 and (name == public or name.startswith(f"{public}.")):
            name = private + name[len(public) :]
        if self._retired and (known := self._known(name, globals or {}, fromlist or (), level)):
            return known
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _known(self, name: str, names: Mapping[str, Any], fromlist: Sequence[str], level: int) -> ModuleType | None:
        full = importlib.util.resolve_name("." * level + name, names.get("__package__")) if level else name
        module = self._retired.get(full)
        if module is None or not fromlist:
            return module and self._retired.get(self._package.private_name)
        return module if all(hasattr(module, part) for part in fromlist) else None


class PackageFinder:
    """Finds the modules of plugin packages for Python's import system, past its caches of compiled code."""

    def __init__(self) -> None:
        self._packages: dict[str, Package] = {}

    def add(self, package: Package) -> None:
        """Find ``package`` from now on."""
        self._packages[package.private_name] = package
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where the module ``fullname`` is, ``None`` if it is none of ours."""
        top, _, rest = fullname.partition(".")
        package = self._packages.get(top)
        if package is None:
            return None
        name = rest.rpartition(".")[2]
        for base in [Path(folder, name) for folder in path or ()] if rest else [package.path]:
            if (base / "__init__.py").is_file():
                return _spec(fullname, base / "__init__.py", package, [str(base)])
            if rest and (file := base.with_name(f"{name}.py")).is_file():
                return _spec(fullname, file, package, None)
            if rest and base.is_dir():  # without ``__init__.py``: Python's own finder would trust stale bytecode in it
                return _bare_folder(fullname, base)
        return None

    def close(self) -> None:
        """Take all packages out of Python's tables."""
        for package in self._packages.values():
            package.unload()
        if self in sys.meta_path:
            sys.meta_path.remove(self)


class _ModuleLoader(importlib.machinery.SourceFileLoader):
    """Loads from source always: cached bytecode is compared by second and size, so a quick edit would be missed."""

    def __init__(self, fullname: str, path: str, package: Package) -> None:
        super().__init__(fullname, path)
        self._package = package

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the compiled file."""
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code with the builtins of its version."""
        vars(module)["__builtins__"] = self._package.builtins
        super().exec_module(module)


def _spec(
    fullname: str, file: Path, package: Package, inside: list[str] | None
) -> importlib.machinery.ModuleSpec | None:
    loader = _ModuleLoader(fullname, str(file), package)
    return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=inside)


def _bare_folder(fullname: str, folder: Path) -> importlib.machinery.ModuleSpec:
    spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec


@contextlib.contextmanager
def _siblings_of(path: Path) -> Iterator[None]:
    """Let top-level code import what stands beside the folder, as InfluxDB does – but not before installed packages."""
    sys.path.append(str(path.parent))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the code itself may have taken it out
            sys.path.remove(str(path.parent))
