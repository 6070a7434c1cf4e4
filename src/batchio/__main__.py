"""The command line as `python -m batchio`."""

from batchio.cli.main import main

if __name__ == "__main__":
    main()
