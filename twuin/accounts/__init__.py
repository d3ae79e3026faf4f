"""Who may do what: accounts, roles and rights, passwords, sessions, tokens, security events.

Rules and ports only: the database is in ``twuin.db``, what HTTP makes of it in ``twuin.access``.
"""
