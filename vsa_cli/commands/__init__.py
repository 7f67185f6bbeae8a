"""One file per subcommand: signature, help, and a call into `vsa_cli.core`."""
