"""Many utilities in one installation, each with settings, data, accounts and a host name of its own."""
