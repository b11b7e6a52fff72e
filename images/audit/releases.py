"""What an index has of packages, and source archives of it; executed by the target interpreter, with pip on its path.

    releases.py files NAME ...            a line of JSON per name: its files, and whether this interpreter can take them
    releases.py source NAME FILE FOLDER   download one file, unpacking and executing nothing

pip's own commands list versions and not files, and prepare a source archive, which executes it, when they download it.
So this is one more command of pip: configuration, certificates, links and tags are pip's.
"""

import hashlib
import json
import logging
import pathlib
import sys
from optparse import Values

from pip._internal.commands.index import IndexCommand
from pip._internal.index.package_finder import LinkEvaluator, LinkType
from pip._internal.models.link import Link
from pip._internal.network.session import PipSession

_DROPPED = {LinkType.yanked, LinkType.different_project, LinkType.format_unsupported, LinkType.format_invalid}


class _Recorder:
    """A link evaluator of pip's that remembers what it was shown."""

    def __init__(self, evaluator: LinkEvaluator) -> None:
        self._evaluator = evaluator
        self.project_name = evaluator.project_name
        self.seen: dict[str, tuple[Link, bool, str]] = {}

    def evaluate_link(self, link: Link) -> tuple[LinkType, str]:
        result, detail = self._evaluator.evaluate_link(link)
        if result not in _DROPPED:
            self.seen.setdefault(link.filename, (link, result is LinkType.candidate, detail))
        return result, detail


class _Complaints(logging.Handler):
    """Why pages of an index could not be fetched: pip goes on without them and says so to its log only."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("Could not fetch URL") and ": 404 " not in text:
            self.heard.append(text)


class Releases(IndexCommand):
    """The command."""

    def run(self, options: Values, args: list[str]) -> int:
        """Do what the first of `args` says; returns the exit status."""
        verb, *names = args
        logger = logging.getLogger("pip._internal.index.collector")
        logger.setLevel(logging.DEBUG)
        with self._build_session(options, retries=2, timeout=20) as session:
            if verb == "source":
                return self._download(options, session, *names)
            for name in names:
                complaints = _Complaints()
                logger.addHandler(complaints)
                files = self._files(options, session, name)
                logger.removeHandler(complaints)
                complaint = "the index does not answer" if complaints.heard and not files else ""
                print(json.dumps({"package": name, "files": files, "complaint": complaint}), flush=True)
        return 0

    def _files(self, options: Values, session: PipSession, name: str) -> list[dict[str, object]]:
        return [
            {
                "name": file,
                "fits": fits,
                "sha256": link.hash if link.hash_name == "sha256" else "",
                "why_not": "" if fits else detail,
            }
            for file, (link, fits, detail) in self._links(options, session, name).items()
        ]

    def _links(self, options: Values, session: PipSession, name: str) -> dict[str, tuple[Link, bool, str]]:
        finder = self._build_package_finder(options=options, session=session)
        recorder = _Recorder(finder.make_link_evaluator(name))
        finder.make_link_evaluator = lambda _: recorder
        finder.find_all_candidates(name)
        return recorder.seen

    def _download(self, options: Values, session: PipSession, name: str, file: str, folder: str) -> int:
        link, *_ = self._links(options, session, name)[file]
        data = pathlib.Path(link.file_path).read_bytes() if link.is_file else session.get(link.url).content
        if link.hash_name and hashlib.new(link.hash_name, data).hexdigest() != link.hash:
            print(f"{file} is not what the index says", file=sys.stderr)
            return 1
        (pathlib.Path(folder) / file).write_bytes(data)
        return 0


if __name__ == "__main__":
    sys.exit(Releases("releases", "What an index has of packages.").main(sys.argv[1:]))
