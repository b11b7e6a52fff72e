"""Scripts with requirements of their own, in real images: what a lock pins is there for them, and for nobody else."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import docker
import pytest

from harness import docker_client, interpreters, runs, session, sources, store
from harness.builds import IMAGES
from harness.docker_images import Images
from harness.errors import RequestError
from harness.images import Foundry
from harness.journal import BlockRecord, Failure, Sample
from harness.model import BuildFacts, Run
from harness.progress import Silent
from harness.request import BenchOptions
from harness.requirements import Requirements
from tests.toys import write_toys

SIX = """\
six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \\
    --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81
"""
NEEDS_SIX = """\
# /// script
# dependencies = ["pyperf", "six"]
# ///
import pyperf
import six

pyperf.Runner().bench_func("text", six.ensure_text, b"x" * 1000)
"""
HAS_NO_SIX = """\
import importlib.util
import pyperf

assert importlib.util.find_spec("six") is None
pyperf.Runner().bench_func("length", len, b"x")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runs, "WORKLOADS", write_toys(tmp_path / "workloads", "good"))
    return folder


def bench(workloads: str, builds: tuple[str, str], *, threads: str = "1", strategies: str = "threads") -> int:
    return runs.bench(
        BenchOptions(
            builds=",".join(builds),
            workloads=workloads,
            blocks="1",
            threads=threads,
            strategies=strategies,
            measures="time",
            seed="1",
        )
    )


def the_run() -> tuple[Run, list[Sample | Failure]]:
    (directory,) = (path.parent for path in runs.RESULTS.glob(f"*/{store.RUN}"))
    run, journal = store.load(directory)
    return run, [one for line in journal if isinstance(line, BlockRecord) for one in line.outcomes]


def test_a_script_has_what_its_lock_pins_and_the_others_have_not(
    project: Path, pair: tuple[str, str], pair_facts: tuple[BuildFacts, ...]
) -> None:
    (project / "needs.py").write_text(NEEDS_SIX)
    (project / "needs.requirements.txt").write_text(SIX)
    (project / "other.py").write_text(HAS_NO_SIX)
    assert bench("./needs.py,./other.py,good", pair) == 0
    run, outcomes = the_run()
    assert len(outcomes) == 3 * 2
    assert all(isinstance(one, Sample) for one in outcomes)
    for facts, plain in zip(run.builds, pair_facts, strict=True):
        (environment,) = facts.environments.values()
        assert environment.packages == {"six": "1.17.0"}
        assert facts.packages == plain.packages
        assert facts.image != plain.image
    first, second = (next(iter(facts.environments.values())).folder for facts in run.builds)
    assert first == second, "the environment of a worker has one size"


def test_a_layer_is_made_once_and_holds_nothing_of_the_host(pair_facts: tuple[BuildFacts, ...]) -> None:
    lock = Requirements((" ".join(SIX.replace("\\", "").split()),))
    with contextlib.closing(Foundry()) as foundry:
        equipped = [foundry.equip(facts, [lock], Silent()) for facts in pair_facts]
        with contextlib.closing(docker.from_env()) as client:
            before = {image.id for image in client.images.list(all=True)}
            assert [foundry.equip(facts, [lock], Silent()) for facts in pair_facts] == equipped
            assert {image.id for image in client.images.list(all=True)} == before
    images = Images(docker_client.connect())
    left = ["/host", "/pip", "/requirements.txt"]
    script = f"import os, json; print(os.getuid(), *[one for one in {left!r} if os.path.exists(one)])"
    assert [images.execute(one.image, [one.executable, "-I", "-c", script]) for one in equipped] == ["10001\n"] * 2
    images.close()


def test_what_cannot_be_installed_for_one_build_is_left_out_with_pips_reason(
    project: Path, pair: tuple[str, str], pair_facts: tuple[BuildFacts, ...]
) -> None:
    """A lock that knows the wheels of the build with the GIL only."""
    locked = (IMAGES / "requirements" / f"{interpreters.abi(pair_facts[0].build)}.txt").read_text()
    lxml = re.search(r"(?m)^lxml==(.*\\\n)+.*\n", locked)
    assert lxml
    (project / "needs.py").write_text(NEEDS_SIX.replace("six", "lxml"))
    (project / "requirements.txt").write_text(lxml[0])
    (project / "other.py").write_text(HAS_NO_SIX)
    (project / "other.requirements.txt").write_text("")
    assert bench("./needs.py,./other.py", pair) == 0
    run, outcomes = the_run()
    assert {one.case.partition(" ")[0] for one in outcomes} == {"project/other"}
    (skipped,) = run.plan.skipped
    assert skipped.case.startswith("project/needs ")
    assert skipped.reason.startswith(f"{pair[1]}: what its script requires cannot be installed: ")
    assert "HASHES" in skipped.reason
    assert session.prepare() == pair_facts, "what the failed build left behind is nobody's image"
    logs = [path.read_text() for path in (sources.cache_folder() / "logs").glob(f"{pair[1]}-*.log")]
    assert any("lxml" in log and "HASHES" in log for log in logs)


def test_where_nothing_can_be_installed_the_request_is_refused(
    project: Path, pair: tuple[str, str], pair_facts: tuple[BuildFacts, ...]
) -> None:
    (project / "needs.py").write_text(NEEDS_SIX)
    (project / "requirements.txt").write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", SIX))
    with pytest.raises(RequestError, match=r"cannot be installed: .*HASHES"):
        bench("./needs.py", pair)
    assert not runs.RESULTS.exists()
    assert session.prepare() == pair_facts


def test_what_a_script_raises_in_a_container_is_shown_where_its_author_has_it(
    project: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "broken.py").write_text("import pyperf\nimport no_such_module\n")
    (project / "late.py").write_text(
        'import pyperf\n\ndef share(n):\n    return 1 / n\n\npyperf.Runner().bench_func("late", share, 0)\n'
    )
    assert bench("./broken.py,./late.py", pair) == 4
    shown = capsys.readouterr().err
    assert f'  |   File "{project}/broken.py", line 2, in <module>' in shown
    assert f'  |   File "{project}/late.py", line 4, in share' in shown
    assert '"/gilometer/' not in shown
    assert "pyperf/_" not in shown


def test_a_plain_function_is_shared_out_in_every_way(project: Path, pair: tuple[str, str]) -> None:
    (project / "mine.py").write_text(
        "from gilometer import bench\n\n"
        "def work(item):\n    return sum(range(item))\n\n"
        'if __name__ == "__main__":\n    bench(work, [2_000] * 200)\n'
    )
    assert bench("./mine.py", pair, threads="1,2", strategies="all") == 0
    run, outcomes = the_run()
    assert {str(case.strategy) for case in run.plan.cases} == {
        "serial",
        "threads",
        "pool",
        "processes",
        "interpreters",
    }
    assert all(isinstance(one, Sample) for one in outcomes)
