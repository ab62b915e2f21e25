"""Entry point of ``densnet``; each verb lives in its own module and is imported when it is called."""

from __future__ import annotations

import difflib
import errno
import signal
import sys
from types import FrameType
from typing import Any, get_args

from cyclopts import App, ArgumentCollection, CycloptsError, Group, MissingArgumentError, UnknownCommandError

from densnet import __version__
from densnet.cli.verbs import FAMILIES, GROUPS, epilogue, name_of, one_line
from densnet.errors import DensnetError, Stopped
from densnet.io.job_record import leave_record
from densnet.settings import refused_option


def _refuse_fractions(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse 1.5 where a whole number is expected; Cyclopts would round it without a word."""
    for argument in arguments:
        types = _types_in(argument.hint)
        if int not in types or float in types:
            continue
        for token in argument.tokens:
            if token.value.partition(".")[2].strip("0"):
                raise DensnetError(f"{argument.name}: expected a whole number, got {token.value}")


def _types_in(hint: Any) -> set[Any]:
    return {hint}.union(*(_types_in(part) for part in get_args(hint)))


app = App(
    name="densnet",
    version=__version__,
    help="Learn electron densities, energies and forces; run molecular dynamics; make infrared spectra.",
    suppress_keyboard_interrupt=False,
    config=_refuse_fractions,
)


def _register_verbs() -> None:
    """Add the verbs to the application, in the order of their groups; each is imported when it is called."""
    for order, (title, verbs) in enumerate(GROUPS.items()):
        group = Group(title, sort_key=order)
        for place, (target, example) in enumerate(verbs.items()):
            listed: dict[str, Any] = {"group": group, "sort_key": place}
            family, *subverb = name_of(example)
            if subverb and family not in app:
                app.command(App(name=family, help=FAMILIES[family], **listed))
            if example in FAMILIES:
                described = {"help": FAMILIES[example]}
            else:
                described = {"help": one_line(target), "help_epilogue": epilogue(example)}
            parent, name = (app[family], subverb[0]) if subverb else (app, family)
            parent.command(f"densnet.cli.{target}", name=name, **described, **({} if subverb else listed))
    general = Group("Other", sort_key=len(GROUPS))
    app.register_install_completion_command(help="Teach the shell to complete verbs and options.", group=general)
    app["--help"].group = app["--version"].group = general


_register_verbs()


def main() -> None:
    """Run the command line; a :class:`DensnetError` becomes one line and exit status 1.

    TERM and USR1 end any verb through its ``finally`` clauses, even where the shell that started it ignores them. In a
    job of the workflow the last line of a verb that has done its work says where it ran.
    """
    for signum in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, _stop)
    try:
        status = app(result_action="return_int_as_exit_code_else_zero", exit_on_error=False, print_error=False)
        if not status:
            leave_record()
        sys.exit(status)
    except CycloptsError as error:
        print(f"densnet: error: {what_is_wrong(error)}", file=sys.stderr)
        sys.exit(2)
    except DensnetError as error:
        sys.exit(f"densnet: error: {error}")
    except OSError as error:
        # whatever was being written: scratch files, event logs, the folder of a result
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(f"densnet: error: {error.filename or 'output'}: {error.strerror}; free space and run again")
    except KeyboardInterrupt:
        sys.exit("densnet: interrupted; the same command goes on from here")
    except Stopped as stop:
        print(f"densnet: {stop}", file=sys.stderr)
        sys.exit(128 + stop.signum)


def what_is_wrong(error: CycloptsError) -> str:
    """Return one line on a command line that cannot be understood."""
    error.verbose = False
    words = list(error.command_chain or ())
    where = f"{' '.join(words)}: " if words else ""
    if isinstance(error, UnknownCommandError) and error.app and error.unused_tokens:
        word, known = error.unused_tokens[0], [name for name in error.app if not name.startswith("-")]
        near = difflib.get_close_matches(word, known, 1)
        expected = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
        return f"{where}{word!r} is no verb; {expected}"
    remedy = f"see '{' '.join(['densnet', *words, '--help'])}'"
    argument = error.argument
    if isinstance(error, MissingArgumentError) and argument and error.app and not (error.keyword or argument.tokens):
        if "Did you mean " in str(error):
            return f"{where}{argument.name} is missing; did you mean {str(error).partition('Did you mean ')[2]}"
        described = error.app.assemble_argument_collection(parse_docstring=True)
        (text,) = [str(known.parameter.help) for known in described if known.name == argument.name]
        return f"{where}{argument.name} is missing: {text.replace('``', '').rstrip('.')}; {remedy}"
    if argument and hasattr(error.__cause__, "errors"):
        return f"{where}{refused_option(argument.name, argument.field_info.annotation, error.__cause__)}; {remedy}"
    text = " ".join(str(error).split()).removeprefix(f'Command "{" ".join(words)}" parameter ')
    return f"{where}{text.rstrip('.')}; {remedy}"


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(signum)


if __name__ == "__main__":
    main()
