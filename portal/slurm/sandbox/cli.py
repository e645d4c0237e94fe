"""The command line of the sandbox, shared by `manage.py sandbox` and `python -m portal.slurm.sandbox`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from portal.slurm.sandbox.config import DEFAULT_NODES, Node
from portal.slurm.sandbox.errors import SandboxError
from portal.slurm.sandbox.recipe import DEFAULT_RELEASE, RELEASES
from portal.slurm.sandbox.sandbox import DEFAULT_NAME, Sandbox, all_sandboxes, prune
from portal.slurm.sandbox.state import Bind
from portal.slurm.sandbox.status import versions_of


class RunParser(argparse.ArgumentParser):
    """Takes everything after the first "--" as the command; argparse alone would take its first word as the name."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Splits the words at the first "--" and gives those after it as `argv`."""
        words = list(args or ())
        cut = words.index("--") if "--" in words else len(words)
        options, unknown = super().parse_known_args(words[:cut], namespace)
        if self.prog.endswith(" run"):
            options.argv = words[cut + 1 :]
            if not options.argv:
                self.error("give the command after --, for example: run -- sinfo")
        return options, unknown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=RunParser)

    verb = verbs.add_parser("build", help="build the file systems into the cache (minutes the first time)")
    _add_release(verb)
    verb.add_argument("--prune", action="store_true", help="then remove builds that nothing names or uses any more")

    verb = verbs.add_parser("up", help="start a cluster, fresh unless --resume is given")
    _add_name(verb)
    _add_release(verb)
    verb.add_argument("--resume", action="store_true", help="go on with accounts, jobs and users of the last time")
    verb.add_argument(
        "--bind", action="append", default=[], metavar="SOURCE:TARGET[:rw]", help="show a file or folder inside"
    )
    verb.add_argument(
        "--node", action="append", default=[], metavar="NAME=KIND:GPUS", help="a further node, for example h2=h100:4"
    )

    verb = verbs.add_parser("down", help="stop a cluster")
    _add_name(verb)
    verb.add_argument("--purge", action="store_true", help="and remove all it held")
    verb.add_argument("--all", action="store_true", help="every cluster below var/sandbox")

    verb = verbs.add_parser("status", help="say how it is")
    _add_name(verb)

    verb = verbs.add_parser("run", help="run a command inside: run [NAME] [--as USER] -- COMMAND…")
    _add_name(verb)
    verb.add_argument("--as", dest="user", metavar="USER", help="as this Unix user, made if missing (default: root)")

    verb = verbs.add_parser("person", help="give a person a Unix user inside: person [NAME] USER")
    verb.add_argument("words", nargs="+", metavar="[NAME] USER")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default=DEFAULT_NAME, metavar="NAME", help=f"default: {DEFAULT_NAME}")


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--release", choices=list(RELEASES), default=DEFAULT_RELEASE, help="Debian release")


def execute(options: dict[str, Any]) -> int:
    """Does what was asked and gives the exit code. Raises SandboxError."""
    verbs: dict[str, Callable[[dict[str, Any]], int]] = {
        "build": _build,
        "up": _up,
        "down": _down,
        "status": _status,
        "run": _run,
        "person": _person,
    }
    return verbs[options["verb"]](options)


def main(words: Sequence[str] | None = None) -> int:
    """The command `python -m portal.slurm.sandbox`."""
    parser = argparse.ArgumentParser(prog="sandbox", description="A throw-away, real Slurm cluster.")
    add_arguments(parser)
    try:
        return execute(vars(parser.parse_args(words)))
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _say(message: str) -> None:
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


def _build(options: dict[str, Any]) -> int:
    sandbox = Sandbox(release=options["release"])
    sandbox.build(_say)
    if options["prune"]:
        prune(_say)
    _say(f"Debian {options['release']} is built: {versions_of(options['release'])}")
    return 0


def _up(options: dict[str, Any]) -> int:
    sandbox = Sandbox(options["name"], release=options["release"])
    nodes = (*DEFAULT_NODES, *(Node.parse(text) for text in options["node"]))
    binds = [Bind.parse(text) for text in options["bind"]]
    sandbox.up(resume=options["resume"], binds=binds, nodes=nodes, report=_say)
    _say(f"{sandbox.name} is up: {sandbox.status().versions}")
    return 0


def _down(options: dict[str, Any]) -> int:
    for sandbox in all_sandboxes() if options["all"] else [Sandbox(options["name"])]:
        sandbox.down(purge=options["purge"], report=_say)
        _say(f"{sandbox.name} is down")
    return 0


def _status(options: dict[str, Any]) -> int:
    status = Sandbox(options["name"]).status()
    _say(f"{status.name}: {status.state}" + (f", process {status.pid}" if status.pid else ""))
    if status.unavailable:
        _say(status.unavailable)
    _say(f"Debian {status.release}, {status.versions}")
    for line in status.nodes:
        _say(line)
    return 0


def _run(options: dict[str, Any]) -> int:
    sandbox = Sandbox(options["name"])
    if options["user"]:
        sandbox.person(options["user"])
    # The command belongs to the terminal, for job control and for Ctrl-C.
    process = sandbox.popen(options["argv"], user=options["user"], start_new_session=False)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()
    return code if code >= 0 else 128 - code


def _person(options: dict[str, Any]) -> int:
    *names, user = options["words"]
    if len(names) > 1:
        raise SandboxError("Give at most a name and a user: person [NAME] USER.")
    Sandbox(*names).person(user)
    return 0
