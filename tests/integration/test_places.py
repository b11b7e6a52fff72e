"""Places in Docker's containers, as workers see them."""

from __future__ import annotations

import contextlib

from harness import runs
from harness.docker_client import find
from harness.docker_engine import DockerEngine
from harness.model import BuildFacts
from harness.workbench import workbench
from tests.integration.places import verify_places


def test_a_place_is_what_was_asked_for(pair_facts: tuple[BuildFacts, ...]) -> None:
    with workbench(runs.WORKLOADS) as bench, contextlib.closing(DockerEngine(find(), bench)) as engine:
        verify_places(engine, pair_facts[0])
