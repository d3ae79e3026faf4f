"""Signing in through an OpenID Connect provider: the utility's own accounts, or a public one."""
