"""`python -m batchio`: the command line."""

from batchio.cli.main import main

if __name__ == "__main__":
    main()
