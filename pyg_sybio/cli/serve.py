"""``sybio serve``."""

import argparse
import sys
from pathlib import Path

from pyg_sybio.cli.arguments import (
    Commands,
    add_model,
    add_threads,
    new_command,
    port,
    positive_float,
    positive_int,
)
from pyg_sybio.cli.models import load


def add_command(commands: Commands) -> None:
    """Add ``serve``."""
    parser = new_command(
        commands,
        "serve",
        "Receive poses by WebSocket, and show them with their label and forecast on a web page.",
        run,
        epilog="The page is at /, poses go to /ws/poses, and /health reports the state of the server; "
        "docs/serving.md describes every message. Only this machine can connect, unless --host says "
        "otherwise. Ctrl-C stops the server.",
    )
    add_model(parser)
    parser.add_argument(
        "--play", type=Path, nargs="+", default=[], metavar="FILE", help="recordings to play in a loop"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all addresses of this machine (default: %(default)s)",
    )
    parser.add_argument("--port", type=port, default=8000, metavar="N", help="default: %(default)s")
    parser.add_argument("--token", help="password for connections (default: none)")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="another web site whose pages may connect, such as http://localhost:3000; may be repeated",
    )
    parser.add_argument(
        "--fps",
        type=positive_float,
        metavar="N",
        help="frame rate of the poses that producers send (default: the model's frame rate)",
    )
    add_threads(parser, "half of the processors")
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="compute in bfloat16: faster for several people on processors that support it, with slightly "
        "different results",
    )
    limits = parser.add_argument_group("limits per connection")
    limits.add_argument(
        "--max-rate",
        type=positive_float,
        default=120,
        metavar="N",
        help="messages per second (default: %(default)s)",
    )
    limits.add_argument(
        "--max-people",
        type=positive_int,
        default=16,
        metavar="N",
        help="persons per frame (default: %(default)s)",
    )
    limits.add_argument(
        "--max-message",
        type=positive_int,
        metavar="BYTES",
        help="size of a message (default: enough for --max-people)",
    )
    limits.add_argument(
        "--idle",
        type=positive_float,
        default=60,
        metavar="SECONDS",
        help="disconnect a producer that sends nothing for this long (default: %(default)s)",
    )
    limits = parser.add_argument_group("limits of the server")
    limits.add_argument(
        "--max-producers",
        type=positive_int,
        default=8,
        metavar="N",
        help="connections that send poses (default: %(default)s)",
    )
    limits.add_argument(
        "--max-viewers",
        type=positive_int,
        default=16,
        metavar="N",
        help="connected pages (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Run ``sybio serve``."""
    import starlette  # noqa: F401 - a missing package shows before the model is loaded
    import uvicorn  # noqa: F401

    from pyg_sybio.serving.limits import Limits
    from pyg_sybio.serving.run import in_bfloat16, log_to_stderr, serve
    from pyg_sybio.training.precision import has_native_bf16

    log_to_stderr(debug=args.debug)
    trained = load(args)
    if args.bf16:
        trained = in_bfloat16(trained)
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
        trained,
        name=args.model.name,
        play=args.play,
        host=args.host,
        port=args.port,
        token=args.token,
        origins=args.allow_origin,
        fps=args.fps,
        limits=limits,
        threads=args.threads,
    )
