"""Which release of a library to move to, found by trying: what to try next follows from what was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.version import Version

from harness.audit import File
from harness.model import Struct


class Remedy(Struct, frozen=True, kw_only=True):
    """What trying releases came to.  None of this says anything of releases that were not tried."""

    newest: str = ""
    """The newest release that is ready: every newer one was tried and is not.  Empty where none of those tried is."""
    oldest: str = ""
    """The oldest of those tried that is ready."""
    settled: bool = False
    """Whether the release right before `oldest` was tried and is not ready, or none of all releases is."""
    tried: tuple[str, ...] = ()
    """All of them, the oldest first."""
    with_wheel: int = 0
    """How many releases have a wheel for the build."""


def releases(files: Sequence[File], *, judged: Version | None = None) -> list[Version]:
    """Those with a wheel for the build, ascending.

    Pre-releases count where they are newer than the newest final release and that one was `judged` not ready already.
    """
    with_wheel = sorted({one.version for one in files if one.is_wheel and one.fits and one.version is not None})
    finals = [one for one in with_wheel if not one.is_prerelease]
    if not finals or judged == finals[-1]:
        finals += [one for one in with_wheel if one.is_prerelease and (not finals or one > finals[-1])]
    return finals


def next_try(releases: Sequence[Version], seen: Mapping[Version, bool]) -> Version | None:
    """The release to try, given which of those `seen` are ready; None where nothing is left to learn.

    From the newest downwards until one is ready; then halving between that and the newest older one that is not.  That
    finds where a library became ready where it stayed so, and else a release from which on one line of it was.
    """
    ready = [number for number, one in enumerate(releases) if seen.get(one)]
    if not ready:
        return next((one for one in reversed(releases) if one not in seen), None)
    oldest = ready[0]
    refused = max((number for number in range(oldest) if releases[number] in seen), default=-1)
    return releases[(refused + oldest) // 2] if oldest - refused > 1 else None


def remedy(releases: Sequence[Version], seen: Mapping[Version, bool]) -> Remedy:
    """What is known after trying."""
    tried = [one for one in releases if one in seen]
    ready = [str(one) for one in tried if seen[one]]
    return Remedy(
        newest=ready[-1] if ready else "",
        oldest=ready[0] if ready else "",
        settled=next_try(releases, seen) is None,
        tried=tuple(map(str, tried)),
        with_wheel=len(releases),
    )
