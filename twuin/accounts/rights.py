"""Rights and roles: the one table of who may do what."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """What somebody may be allowed. Every route asks for one of these, or says that it is for anyone."""

    SEE = "see"
    SITE = "site"
    WORK = "work"
    ACT = "act"
    CLOSE = "close"
    PLAN = "plan"
    BILLS = "bills"
    INTAKE = "intake"
    SEND = "send"
    METRICS = "metrics"
    PERSONAL = "personal"
    TOKENS = "tokens"
    ACCOUNTS = "accounts"


class Anyone(StrEnum):
    """What a route may ask for instead of a right."""

    PUBLIC = "public"  # nothing
    SIGNED_IN = "signed in"  # an account, by session or token
    IN_PERSON = "in person"  # a session: a token cannot change passwords or make more tokens


Need = Right | Anyone

MEANING: dict[Right, str] = {
    Right.SEE: "See DMAs, sensors, readings, the map, alerts, losses, live changes",
    Right.SITE: "See reports and the control room's wall",
    Right.WORK: "Work on alerts: accept, arrive, locate, repair; add notes and photos",
    Right.ACT: "Acknowledge alerts, send people",
    Right.CLOSE: "Close and reopen alerts",
    Right.PLAN: "Enter, change and cancel planned works",
    Right.BILLS: "Put in what was billed",
    Right.INTAKE: "See what came in and what was rejected, with its raw bytes",
    Right.SEND: "Send readings over HTTP, as devices do",
    Right.METRICS: "Read the figures for Prometheus",
    Right.PERSONAL: "See which resident sent a report: phone number, words, photo",
    Right.TOKENS: "Make tokens for programs, with no more rights than one's own",
    Right.ACCOUNTS: "Manage accounts and everybody's tokens, read the security log",
}


class Role(StrEnum):
    """What an account is for."""

    VIEWER = "viewer"
    CREW = "crew"
    DISPATCHER = "dispatcher"
    ENGINEER = "engineer"
    ADMIN = "admin"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SEE, Right.SITE}),
    Role.CREW: frozenset({Right.SEE, Right.SITE, Right.WORK}),
    Role.DISPATCHER: frozenset(
        {Right.SEE, Right.SITE, Right.WORK, Right.ACT, Right.CLOSE, Right.PLAN, Right.PERSONAL}
    ),
    Role.ENGINEER: frozenset(
        {
            Right.SEE,
            Right.SITE,
            Right.WORK,
            Right.ACT,
            Right.CLOSE,
            Right.PLAN,
            Right.BILLS,
            Right.INTAKE,
            Right.SEND,
            Right.METRICS,
            Right.TOKENS,
        }
    ),
    Role.ADMIN: frozenset(Right),
}

WHOLE_SITE = frozenset({Right.BILLS, Right.INTAKE, Right.SEND, Right.METRICS, Right.ACCOUNTS})
"""Rights to what belongs to no DMA: nobody who is limited to DMAs has them."""

RIGHT_OF_ACTION: dict[str, Right] = {
    "note": Right.WORK,
    "accept": Right.WORK,
    "arrive": Right.WORK,
    "locate": Right.WORK,
    "not_found": Right.WORK,
    "start_repair": Right.WORK,
    "repaired": Right.WORK,
    "acknowledge": Right.ACT,
    "assign": Right.ACT,
    "close": Right.CLOSE,
    "reopen": Right.CLOSE,
}


def right_of_action(action: str) -> Right:
    """The right that an action on an alert takes; the highest for one that the table does not know."""
    return RIGHT_OF_ACTION.get(action, Right.ACCOUNTS)


def right_of_report_action(action: str) -> Right:
    """The right that an action on a resident's report takes."""
    return Right.CLOSE if action in ("close", "reopen") else Right.ACT


def rights_of(role: Role, *, limited: bool) -> frozenset[Right]:
    """The rights of a role. limited: to some DMAs."""
    return RIGHTS[role] - WHOLE_SITE if limited else RIGHTS[role]
