"""What an engine's build events say, and what is shown of it."""

from __future__ import annotations

import pytest

from harness import docker_images


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        ({"stream": "Step 1/3 : FROM scratch\n"}, ["Step 1/3 : FROM scratch"]),
        ({"stream": "\x1b[91mwarning: x\n\x1b[0m"}, ["warning: x"]),
        ({"stream": "one\ntwo\n\n"}, ["one", "two"]),
        ({"error": "returned a non-zero code: 1", "errorDetail": {}}, ["returned a non-zero code: 1"]),
        ({"aux": {"ID": "sha256:1"}}, []),
    ],
)
def test_events_become_lines_without_colours(event: dict[str, object], lines: list[str]) -> None:
    assert docker_images._lines(event) == lines


def test_a_long_line_keeps_its_start_and_its_end() -> None:
    line = "The command '/bin/sh -c " + "x" * 1000 + "' returned a non-zero code: 2"
    shown = docker_images._shortened(line)
    assert len(shown) < 200
    assert shown.startswith("The command")
    assert shown.endswith("returned a non-zero code: 2")
    assert docker_images._shortened("short") == "short"


@pytest.mark.parametrize("text", ["plain", 'with "quotes"', "with $VARIABLE", "with \\ backslash"])
def test_a_label_survives_the_dockerfile_that_carries_it(text: str) -> None:
    quoted = docker_images._quoted(text)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('\\"', '"').replace("\\$", "$").replace("\\\\", "\\") == text
