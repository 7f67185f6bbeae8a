"""`python -m vsa_cli` is `vsa`."""

from vsa_cli.app import main

if __name__ == "__main__":
    main()
