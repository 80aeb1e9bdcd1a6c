"""The command `quorum`: it only translates to `api`."""
