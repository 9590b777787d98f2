"""What every step of this example needs: its folders and its outputs.

There is nothing to install: a step talks to the orchestrator through folders and plain text files.
"""
import json
import os
import pathlib

FEATURES = ["strokes_since_grind", "press_speed_spm", "sheet_thickness_mm", "press_force_kn",
            "tool_temp_c", "vib_rms_g", "vib_kurtosis", "vib_bpfo_g"]
LABEL = "scrap"


def _folder(variable):
    path = pathlib.Path(os.environ.get(variable, "out"))     # "out": started by hand, without orchctl
    path.mkdir(parents=True, exist_ok=True)
    return path


def out(name):
    """The path of an output file that the pipeline declares under `outputs:`."""
    return _folder("ORCH_OUT") / name


def artifact(name):
    """The path of a file that is kept with the run."""
    return _folder("ORCH_ARTIFACTS") / name


def given(name):
    """The path of an input that the pipeline declares under `inputs:`."""
    return os.environ["ORCH_INPUT_" + name.upper()]


def output(**values):
    """steps.THIS.outputs.NAME of later steps."""
    with open(os.environ.get("ORCH_OUTPUT", os.devnull), "a", encoding="utf-8") as f:
        for name, value in values.items():
            f.write(f"{name}={str(value).lower() if isinstance(value, bool) else value}\n")


def metric(name, value, step=None):
    with open(os.environ.get("ORCH_METRICS", os.devnull), "a", encoding="utf-8") as f:
        f.write(f"{name} {value:.6g}" + (f" {step}\n" if step is not None else "\n"))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def split_by_day(data, holdout_days):
    """Older days to learn from, the newest for the judgement: never a random split, since parts of one
    coil and one day resemble each other."""
    days = sorted(data["produced_at"].dt.date.unique())
    if holdout_days >= len(days):
        raise SystemExit(f"holdout_days is {holdout_days}, but the data has {len(days)} days: nothing is left to train on")
    later = data["produced_at"].dt.date >= days[-holdout_days]
    return data[~later], data[later]
