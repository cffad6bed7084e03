"""The command that shows live poses on a web page: ``sybio serve CHECKPOINT``."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pyg_sybio.cli.numbers import above_zero, from_one


def add_serve_command(
    add: Callable[..., argparse.ArgumentParser], checkpoint: argparse.ArgumentParser
) -> None:
    """Add ``serve``.

    Args:
        add: Adds a command of a name, a summary and parents, and returns its parser.
        checkpoint: The arguments of commands that read a checkpoint.
    """
    parser = add(
        "serve",
        "Take poses by WebSocket, and show them with their label and their forecast on a web page.",
        checkpoint,
        epilog="The page is at /, poses go to /ws/poses, and /health says how the server is; docs/serving.md "
        "describes every message. Only this machine can connect, unless --host says otherwise. Ctrl-C stops "
        "it.",
    )
    parser.add_argument(
        "--play", type=Path, nargs="+", default=[], metavar="FILE", help="recordings to play in a loop"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all of this machine's (default: %(default)s)",
    )
    parser.add_argument("--port", type=_port, default=8000, metavar="N", help="default: %(default)s")
    parser.add_argument("--token", help="who does not know this may not connect (default: everybody may)")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="another web site whose pages may connect, such as http://localhost:3000; may be repeated",
    )
    parser.add_argument(
        "--fps",
        type=above_zero,
        metavar="N",
        help="frames a second that producers send (default: those of the model)",
    )
    parser.add_argument(
        "--threads",
        type=from_one,
        metavar="N",
        help="on how many processors the model may run (default: half of them)",
    )
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="compute in bfloat16: faster for several people on processors that have it, with slightly other "
        "numbers",
    )
    limits = parser.add_argument_group("limits, of which every connection has its own")
    limits.add_argument(
        "--max-rate", type=above_zero, default=120, metavar="N", help="messages a second (default: 120)"
    )
    limits.add_argument(
        "--max-people", type=from_one, default=16, metavar="N", help="persons in a frame (default: 16)"
    )
    limits.add_argument(
        "--max-message",
        type=from_one,
        metavar="BYTES",
        help="size of a message (default: enough for so many persons)",
    )
    limits.add_argument(
        "--max-producers",
        type=from_one,
        default=8,
        metavar="N",
        help="connections that send poses (default: 8)",
    )
    limits.add_argument(
        "--max-viewers", type=from_one, default=16, metavar="N", help="pages that watch (default: 16)"
    )
    limits.add_argument(
        "--idle",
        type=above_zero,
        default=60,
        metavar="SECONDS",
        help="without a message, a producer is taken for gone after so long (default: 60)",
    )
    parser.set_defaults(run=serve_command)


def serve_command(args: argparse.Namespace) -> None:
    """``sybio serve``."""
    import starlette  # noqa: F401 - before a checkpoint is read for nothing
    import uvicorn  # noqa: F401

    from pyg_sybio.serving.limits import Limits
    from pyg_sybio.serving.run import in_bfloat16, log_to_stderr, serve
    from pyg_sybio.trained.trained import load_checkpoint
    from pyg_sybio.training.precision import has_native_bf16

    log_to_stderr(debug=args.debug)
    checkpoint = load_checkpoint(args.checkpoint)
    if args.bf16:
        checkpoint = in_bfloat16(checkpoint)
        if not has_native_bf16("cpu"):
            print(
                "sybio: warning: --bf16 is slow here: this processor has no native bfloat16", file=sys.stderr
            )
    limits = Limits(
        rate=args.max_rate,
        people=args.max_people,
        producers=args.max_producers,
        viewers=args.max_viewers,
        message_bytes=args.max_message,
        idle=args.idle,
    )
    serve(
        checkpoint,
        name=args.checkpoint.name,
        play=args.play,
        host=args.host,
        port=args.port,
        token=args.token,
        origins=args.allow_origin,
        fps=args.fps,
        limits=limits,
        threads=args.threads,
        data_root=args.data_root,
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, expected a number from 0 to 65535")
    return int(text)
