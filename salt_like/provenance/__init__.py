"""Where a result comes from: code, packages, machine and files."""
