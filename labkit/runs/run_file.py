"""A run as two files: its columns in ``NAME.npz``, all else in ``NAME.json``. Reading them executes nothing."""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from labkit.base.errors import LabError, RecordError
from labkit.base.files import record_text, require_small_columns, whole
from labkit.plan.schedules import Schedule
from labkit.runs.conditions import Conditions
from labkit.runs.environment import MACHINE_KEYS

if TYPE_CHECKING:
    from labkit.runs.run import Run

#: The layout of saved files. One that is newer than this is refused.
SCHEMA_VERSION = 3

#: Of a run: what is columns.
_PARTS = ("events", "deliveries", "pings", "samples", "arrivals")

#: What reading a file that is no run, or half of one, can raise in json, numpy and zipfile.
_DAMAGED = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

Made = TypeVar("Made")


def write(run: "Run", path: Path) -> Path:
    """Both files, whole or not at all; returns the path of the second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{part}.{column}": array for part in _PARTS for column, array in getattr(run, part).items()}
    about = {
        # A run without arrivals is as an earlier labkit reads it.
        "schema_version": SCHEMA_VERSION if run.arrivals else SCHEMA_VERSION - 1,
        "strategy": run.strategy,
        "work": run.work,
        "mode": run.mode,
        "timeout_s": run.timeout_s,
        "plan": run.plan.to_dict(),
        "messages": {str(event): message for event, message in run.messages.items()},
        "variant": run.variant,
        "kinds": list(run.kinds),
        "machine": dict(run.machine),
        "conditions": run.conditions.to_dict(),
    }
    text = json.dumps(about, indent=1)
    npz, json_ = _files(path)
    with whole(json_) as half_json, whole(npz) as half_npz:
        half_json.write_text(text, encoding="utf-8")
        with half_npz.open("wb") as file:
            np.savez_compressed(file, **arrays)
    return json_


def read(path: Path, make: Callable[..., Made]) -> Made:
    """What :func:`write` wrote, as `make` makes it of a run's fields; `path` with or without its ending.

    Raises:
        RecordError: it is not there, is no run, is damaged, or was written by a newer labkit.
    """
    if path.suffix in (".npz", ".json"):
        path = path.with_suffix("")
    npz, json_ = _files(path)
    try:
        about = json.loads(record_text(json_))
        version = about["schema_version"]
        if version > SCHEMA_VERSION:
            raise RecordError(f"{json_.name} has schema version {version}: read it with a newer labkit than this")
        parts: dict[str, Any] = {part: {} for part in _PARTS}
        require_small_columns(npz)
        with np.load(npz, allow_pickle=False) as arrays:
            for name in arrays.files:
                part, _, column = name.partition(".")
                parts[part][column] = arrays[name].astype(np.int64, casting="safe")
        return make(
            strategy=about["strategy"],
            work=about["work"],
            mode=about["mode"],
            plan=Schedule.from_dict(about["plan"]),
            timeout_s=about["timeout_s"],
            messages={int(event): message for event, message in about["messages"].items()},
            **_described(about),
            **parts,
        )
    except RecordError:
        raise
    except FileNotFoundError as error:
        raise RecordError(f"there is no run at {path}: give the name of its .json") from error
    except (LabError, *_DAMAGED) as error:
        raise RecordError(f"{path.name} is not a run of labkit, or is damaged ({type(error).__name__})") from error


def _files(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + ".npz"), path.with_name(path.name + ".json")


def _described(about: Mapping[str, Any]) -> dict[str, Any]:
    """Machine, conditions and variant, as this schema or an earlier one has them."""
    if about["schema_version"] == 1:
        environment = about["environment"]
        machine = {name: environment[name] for name in MACHINE_KEYS if name in environment}
        return {"machine": machine, "conditions": Conditions.from_schema_1(environment)}
    return {
        "machine": about["machine"],
        "conditions": Conditions.from_dict(about["conditions"]),
        "variant": about["variant"],
        "kinds": tuple(about.get("kinds", ())),  # a run that was saved before there were mixes has none
    }
