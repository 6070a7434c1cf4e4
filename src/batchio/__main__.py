"""The program `batchio`, also as `python -m batchio`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it without a traceback."""
    try:
        from batchio.cli.main import main as call
    except KeyboardInterrupt:
        sys.exit(130)
    call()


if __name__ == "__main__":
    main()
