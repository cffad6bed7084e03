"""``sybio serve``."""

import argparse
from pathlib import Path

from pyg_sybio.cli import options
from pyg_sybio.cli.errors import note
from pyg_sybio.cli.models import load


def add_command(commands: options.Commands) -> None:
    """Add ``serve``."""
    parser = options.new_command(
        commands,
        "serve",
        run,
        epilog="The page is at /, poses are sent to /ws/poses, and /health reports the state of the server; "
        "docs/serving.md describes every message. Without --host, only this machine can connect. "
        "Ctrl-C stops the server.",
    )
    options.add_model(parser)
    options.add(parser, "--play", Path, "recordings to play in a loop (default: none)", nargs="+")
    host = "address to listen on; 0.0.0.0 for all addresses of this machine"
    options.add(parser, "--host", str, host, "127.0.0.1", metavar="ADDRESS")
    options.add(parser, "--port", options.port, "port to listen on; 0 for a free one", 8000)
    options.add(parser, "--token", options.token, "password for connections (default: none)")
    origin = "another web site whose pages may connect, such as http://localhost:3000; may be repeated"
    options.add(parser, "--allow-origin", str, origin, action="append", metavar="ORIGIN")
    fps = "frame rate of the poses that producers send (default: the model's frame rate)"
    options.add(parser, "--fps", options.positive_float, fps)
    options.add_threads(parser, "half of the processors")
    bf16 = "compute in bfloat16: faster for several people where supported, with slightly different results"
    options.flag(parser, "--bf16", bf16)
    limits = parser.add_argument_group("limits per connection")
    options.add(limits, "--max-rate", options.positive_float, "maximum number of messages per second", 120)
    options.add(limits, "--max-people", options.positive_int, "maximum number of persons per frame", 16)
    size = "maximum size of a message in bytes (default: enough for --max-people)"
    options.add(limits, "--max-message", options.positive_int, size)
    idle = "disconnect a producer that sends nothing, or any client that reads nothing, for this many seconds"
    options.add(limits, "--idle", options.positive_float, idle, 60)
    limits = parser.add_argument_group("limits of the server")
    producers = "maximum number of connections that send poses"
    options.add(limits, "--max-producers", options.positive_int, producers, 8)
    options.add(limits, "--max-viewers", options.positive_int, "maximum number of open pages", 16)
    places = (
        "maximum number of producers, and of pages, per address (default: half of the limits above; for this "
        "machine, all of them)"
    )
    options.add(limits, "--max-per-address", options.positive_int, places)


def run(args: argparse.Namespace) -> None:
    """Receive poses by WebSocket, and show them with their label and forecast on a web page."""
    import starlette  # noqa: F401 - report a missing package before the model is loaded
    import uvicorn  # noqa: F401

    from pyg_sybio.serving.limits import Limits
    from pyg_sybio.serving.run import in_bfloat16, log_to_stderr, serve
    from pyg_sybio.training.precision import has_native_bf16

    log_to_stderr(debug=args.debug)
    trained = load(args)
    if args.bf16:
        trained = in_bfloat16(trained)
        if not has_native_bf16("cpu"):
            note("--bf16 is slow here: this processor has no native bfloat16", kind="warning")
    limits = Limits(
        rate=args.max_rate,
        people=args.max_people,
        producers=args.max_producers,
        viewers=args.max_viewers,
        per_address=args.max_per_address,
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
