"""The command `quorum`: runs a command and turns what goes wrong into one line and an exit code.

    0 answered · 1 anything else · 2 the caller can fix it · 3 abstained
    4 the guard, a deadline or a cap stopped the statement · 130 interrupted

This module imports nothing slow before it is ready for Ctrl-C.

What is not covered: the commands themselves; each is a module of this package.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from typer import TyperException

__all__ = ["main"]

INTERRUPTED = 130
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's own) name; return its exit code.

    With `--debug` before the command, errors come with their traceback.
    """
    try:
        signal.signal(signal.SIGINT, _interrupt)
        given = list(sys.argv[1:] if arguments is None else arguments)
        _speak_any_language()
        code = _run(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _stop()
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:  # the outermost door
        if _wants_debug(given):
            raise
        return _explain(error)
    return code


def _run(arguments: Sequence[str]) -> int:
    """Run typer without letting it print or exit."""
    from quorumsql.cli.app import build_app

    code = build_app()(args=arguments, prog_name="quorum", standalone_mode=False)
    if code == INTERRUPTED:  # typer's own translation of KeyboardInterrupt
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int:
    """Say in one line on stderr what went wrong; return the exit code for it."""
    from typer import Abort, TyperException

    from quorumsql.errors import QuorumError, UsageError

    match error:
        case UsageError():
            return _complain(str(error), 2)
        case QuorumError():
            return _complain(str(error), 1)
        case Abort():
            return _complain("aborted", 1)
        case TyperException():
            return _usage(error)
        case OSError(filename=str() as path, strerror=str() as why):
            words = f"{path}: {why}: check the path, its permissions and the room on the disk."
            return _complain(words, 2)
        case io.UnsupportedOperation():
            return _unwritten("it is closed")
        case OSError(filename=None, strerror=str() as why) if error.errno in UNWRITABLE:
            return _unwritten(why)
        case _:
            words = f"{type(error).__name__}: {error}"
            return _complain(f"internal error, {words}. Please report it; --debug shows more.", 1)


def _usage(error: TyperException) -> int:
    """A wrong option or argument; a group of commands without one shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # typer does not export it
        print(error.format_message(), file=sys.stderr)  # noqa: T201
        return 2
    words = error.format_message().rstrip(".").replace(": Value error, ", ": ")
    if words.endswith("less than or equal to 1"):
        words += "; 0.3 means 30 %"
    end = "" if words.endswith(("?", "!")) else "."
    path = getattr(getattr(error, "ctx", None), "command_path", "quorum")
    return _complain(f"{words}{end} Try '{path} --help'.", 2)


def _complain(words: str, code: int) -> int:
    """Print one line on stderr, however many `words` has."""
    line = " ".join(words.split())
    print(f"quorum: {line}", file=sys.stderr)  # noqa: T201 - the one place that reports errors
    return code


def _stop() -> NoReturn:
    """Leave at once: threads of the ensemble may compute on, and waiting looks like a hang."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _complain("interrupted", INTERRUPTED)
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _unwritten(why: str) -> int:
    """What stdout goes to takes no more."""
    _reader_left()
    return _complain(f"cannot write the output: {why}", 1)


def _reader_left() -> int:
    """Whoever read our output has gone; say nothing, and keep Python from complaining at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return 1


def _speak_any_language() -> None:
    """Make output survive terminals that cannot show a character, and streams that are closed.

    What is closed is replaced: nobody hears of errors, and output cannot be written. No file that
    a command opens can then be taken for it.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Unwind on the first Ctrl-C; the second one does not ask."""
    signal.signal(signal.SIGINT, lambda *_: _stop())
    raise KeyboardInterrupt


def _wants_debug(arguments: Sequence[str]) -> bool:
    """Whether `--debug` stands before the command."""
    return arguments[:1] == ["--debug"]


if __name__ == "__main__":
    sys.exit(main())
