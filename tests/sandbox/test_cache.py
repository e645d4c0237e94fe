"""Layers are named by their recipe, built once, and never seen half-made."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from portal.slurm.sandbox import SandboxError
from portal.slurm.sandbox.build import ensure_layer
from portal.slurm.sandbox.layers import LayerRecord, hold_layer, layer_record, layer_root, prune_layers, remove_tree
from portal.slurm.sandbox.recipe import RELEASES, PythonInputs, base_layer, layers, python_layer
from tests.slurm_cluster import require_sandbox

PROJECT = Path(__file__).parents[2]


def silent(message: str) -> None:
    pass


def build_something(work: Path) -> LayerRecord:
    (work / "layer/root").mkdir(parents=True)
    (work / "layer/root/file").write_text("made")
    return LayerRecord(seconds=1.5, slurm="26.05.5")


@pytest.fixture
def inputs(tmp_path: Path) -> PythonInputs:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("requirements.txt", "requirements-slurm.txt"):
        (project / name).write_text("something==1.0\n")
    return PythonInputs(project)


def test_a_changed_requirement_leaves_the_base_layer_alone(inputs: PythonInputs) -> None:
    forky = RELEASES["forky"]
    before = layers(forky, inputs)
    (inputs.project / "requirements.txt").write_text("something==1.1\n")
    after = layers(forky, inputs)
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_a_changed_package_list_changes_both_layers(inputs: PythonInputs) -> None:
    forky = RELEASES["forky"]
    more = replace(forky, packages=(*forky.packages, "htop"))
    assert base_layer(more) != base_layer(forky)
    assert python_layer(more, inputs) != python_layer(forky, inputs)


def test_trixie_has_no_python_layer(inputs: PythonInputs) -> None:
    assert layers(RELEASES["trixie"], inputs) == [base_layer(RELEASES["trixie"])]


def test_a_built_layer_is_found_again(tmp_path: Path) -> None:
    ensure_layer(tmp_path, "base-1", build_something, silent)
    assert layer_record(tmp_path, "base-1") == LayerRecord(seconds=1.5, slurm="26.05.5")
    assert (layer_root(tmp_path, "base-1") / "file").read_text() == "made"
    ensure_layer(tmp_path, "base-1", lambda work: pytest.fail("built again"), silent)


def test_of_two_builders_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    built, said = [], []
    started, go_on = threading.Event(), threading.Event()

    def slow_build(work: Path) -> LayerRecord:
        built.append(work)
        started.set()
        assert go_on.wait(30)
        return build_something(work)

    def say(message: str) -> None:
        said.append(message)
        go_on.set()

    first = threading.Thread(target=ensure_layer, args=(tmp_path, "base-1", slow_build, silent))
    first.start()
    assert started.wait(30)
    ensure_layer(tmp_path, "base-1", slow_build, say)
    first.join(30)
    assert len(built) == 1
    assert said == ["waiting for another build of base-1"]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(work: Path) -> LayerRecord:
        build_something(work)
        raise SandboxError("no network")

    with pytest.raises(SandboxError, match="no network"):
        ensure_layer(tmp_path, "base-1", fail, silent)
    assert layer_record(tmp_path, "base-1") is None
    assert [path.name for path in tmp_path.iterdir()] == ["base-1.lock"]


def test_what_a_killed_build_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".base-1.killed/layer/root").mkdir(parents=True)
    ensure_layer(tmp_path, "base-1", build_something, silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base-1", "base-1.lock"]


def test_pruning_spares_what_is_named_or_in_use(tmp_path: Path) -> None:
    for name in ("named", "used", "old"):
        ensure_layer(tmp_path, name, build_something, silent)
    with hold_layer(tmp_path, "used"):
        prune_layers(tmp_path, {"named"}, silent)
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"named", "used"}
    prune_layers(tmp_path, {"named"}, silent)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"named"}


@pytest.mark.slurm
def test_nothing_is_removed_while_something_is_mounted_below(tmp_path: Path) -> None:
    require_sandbox()
    (tmp_path / "layer/mount").mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from portal.slurm.sandbox.layers import remove_tree;"
        "remove_tree(Path(sys.argv[1]))"
    )
    script = 'mount -t tmpfs tmpfs "$1/mount" && touch "$1/mount/file" && exec "$2" -c "$3" "$1"'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path / "layer"), sys.executable, code]
    tried = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert "is still mounted" in tried.stderr
    remove_tree(tmp_path / "layer")
    assert not (tmp_path / "layer").exists()
