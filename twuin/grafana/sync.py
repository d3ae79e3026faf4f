"""Brings what Twuin has for Grafana into a Grafana that already exists, and touches nothing else there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from twuin.grafana.bundle import Bundle, ContactPoint, Dashboard, DataSource, Folder, Rule
from twuin.grafana.client import Grafana, GrafanaError
from twuin.grafana.marks import (
    Json,
    Mark,
    dashboard_differences,
    dashboard_mark,
    datasource_mark,
    differences,
    digest,
    mark_dashboard,
    mark_datasource,
    mark_rule,
    rule_essence,
    rule_mark,
)
from waterworks.wording import counted


class Act(StrEnum):
    """What becomes of a thing."""

    CREATE = "create"
    UPDATE = "update"
    SAME = "same"
    KEEP = "keep"  # somebody changed it in Grafana, and Twuin has nothing newer
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing and what becomes of it. why: of KEEP and REFUSE. changes: of UPDATE, one line each."""

    kind: str
    uid: str
    title: str
    act: Act
    why: str = ""
    changes: tuple[str, ...] = ()
    do: Callable[[], None] | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.title!r} ({self.uid})"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person who runs the sync says.

    secrets: fields of ``secureJsonData`` of data sources. emails: whom Grafana's alerting tells; empty: as it
    is in Grafana, and nobody of ours where there is no contact point yet. take: uids that may be overwritten
    though they are not Twuin's or were changed. leave: uids that are left as they are.
    """

    secrets: Sequence[tuple[str, str]] = ()
    emails: tuple[str, ...] = ()
    take: Collection[str] = ()
    leave: Collection[str] = ()


def plan(grafana: Grafana, bundles: Sequence[Bundle], wishes: Wishes) -> list[Step]:
    """What is to be done, in the order in which it must be done; asks Grafana, changes nothing.

    bundles: the same installation in one or more languages. GrafanaError when Grafana does not answer.
    """
    return list(_Planner(grafana, wishes).steps(bundles))


def apply(steps: Sequence[Step], done: Callable[[Step], None]) -> int:
    """Do it: how many things were made or changed. ``done`` is told of each.

    GrafanaError where something is refused, before anything is changed, or where Grafana fails half-way;
    the message says what was done by then.
    """
    refused = [s for s in steps if s.act is Act.REFUSE]
    if refused:
        raise GrafanaError(
            "nothing was changed, because of what is not Twuin's:\n"
            + "\n".join(f"  {s}: {s.why}" for s in refused)
            + "\nRename or remove it, or give its uid to --leave (as it is) or --take (overwrite it)"
        )
    todo = [s for s in steps if s.do is not None]
    for n, step in enumerate(todo):
        assert step.do is not None
        try:
            step.do()
        except GrafanaError as e:
            before = f"{n} of {counted(len(todo), 'change')} {'was' if n == 1 else 'were'} made before it"
            raise GrafanaError(
                f"{step}: {e}. {before if n else 'Nothing was changed'}; run it again to go on"
            ) from None
        done(step)
    return len(todo)


class _Planner:
    def __init__(self, grafana: Grafana, wishes: Wishes) -> None:
        self._grafana, self._wishes = grafana, wishes

    def steps(self, bundles: Sequence[Bundle]) -> Iterator[Step]:
        """In both languages rules, data sources and contact points are the same: once is enough."""
        there: set[str] = set()
        for folder in {f.uid: f for b in bundles for f in b.folders}.values():
            step, exists = self._folder(folder)
            if exists:
                there.add(folder.uid)
            yield step
        for source in bundles[0].datasources:
            yield self._datasource(source)
        told = set()
        points = self._grafana.contact_points()
        for point in bundles[0].contact_points:
            made = self._contact_point(point, points)
            if made is not None:
                if made.act is not Act.KEEP or any(p.get("name") == point.title for p in points):
                    told.add(point.title)
                yield made
        for bundle in bundles:
            for board in bundle.dashboards:
                yield self._dashboard(board, board.folder_uid in there)
        rules = self._grafana.rules()
        for rule in bundles[0].rules:
            yield self._rule(rule, rules, told)

    def _foreign(self, step: Step, why: str) -> Step | None:
        """What becomes of a thing that is not ours, unless it is to be taken (None)."""
        if step.uid in self._wishes.take:
            return None
        return replace(step, act=Act.REFUSE, why=why)

    def _folder(self, folder: Folder) -> tuple[Step, bool]:
        step = Step("folder", folder.uid, folder.title, Act.SAME)
        found = self._grafana.folder(folder.uid)
        if folder.uid in self._wishes.leave:
            return replace(step, act=Act.KEEP, why="--leave"), found is not None
        if found is None:
            other = self._grafana.called("dash-folder", folder.title)
            if other is not None:
                return replace(
                    step, act=Act.REFUSE, why=f"another folder, {other}, has that title already"
                ), False
            return replace(
                step, act=Act.CREATE, do=lambda: self._grafana.create_folder(folder.uid, folder.title)
            ), False
        if found["title"] == folder.title:
            return step, True
        refused = self._foreign(step, f"is called {found['title']!r} in this Grafana")
        version = int(found.get("version", 0))
        return refused or replace(
            step,
            act=Act.UPDATE,
            changes=(f"title: {found['title']!r} -> {folder.title!r}",),
            do=lambda: self._grafana.rename_folder(folder.uid, folder.title, version),
        ), True

    def _datasource(self, source: DataSource) -> Step:
        step = Step("data source", source.uid, source.title, Act.SAME)
        if source.uid in self._wishes.leave:
            return replace(step, act=Act.KEEP, why="--leave")
        secrets = {k: v for k, v in self._wishes.secrets if k in source.secrets}
        wanted = {k: v for k, v in source.model.items() if k != "isDefault"}
        mine = digest(wanted)
        found = self._grafana.datasource(source.uid)
        if found is None:
            other = self._grafana.datasource_called(source.title)
            if other is not None:
                return replace(
                    step, act=Act.REFUSE, why=f"another data source, {other['uid']}, has that name already"
                )
            body = mark_datasource({**source.model, "secureJsonData": secrets}, Mark(mine, 1))
            missing = sorted(set(source.secrets) - set(secrets))
            note = (f"without its secret ({', '.join(missing)}): enter it in Grafana",) if missing else ()
            return replace(
                step,
                act=Act.CREATE,
                changes=note,
                do=lambda: self._grafana.create_datasource(body),
            )
        mark, version = datasource_mark(found), int(found.get("version", 0))
        lacks = {k: v for k, v in secrets.items() if not (found.get("secureJsonFields") or {}).get(k)}
        if found.get("readOnly"):
            return replace(step, act=Act.REFUSE, why="comes from files of this Grafana (provisioning)")
        changed = mark is not None and mark.version != version
        taken = source.uid in self._wishes.take
        if mark is not None and mark.digest == mine and not lacks and not (changed and taken):
            return replace(step, act=Act.KEEP, why=_CHANGED) if changed else step
        if mark is None or changed:
            refused = self._foreign(step, _FOREIGN if mark is None else _CHANGED)
            if refused is not None:
                return refused
        body = mark_datasource(
            {
                **wanted,
                "isDefault": bool(found.get("isDefault")),
                "version": version,
                **({"secureJsonData": secrets} if secrets else {}),
            },
            Mark(mine, version + 1),
        )
        return replace(
            step,
            act=Act.UPDATE,
            changes=(*differences(wanted, found), *(f"secret {k}: new" for k in sorted(lacks))),
            do=lambda: self._grafana.update_datasource(source.uid, body),
        )

    def _contact_point(self, point: ContactPoint, points: Sequence[Json]) -> Step | None:
        """None: there is none and none is wanted. Whom Grafana tells is the administrators' business: once
        made, only --alert-email changes it."""
        step = Step("contact point", point.uid, point.title, Act.SAME)
        found = next((p for p in points if p.get("uid") == point.uid), None)
        if found is None:
            if not self._wishes.emails:
                return None
            if any(p.get("name") == point.title for p in points):
                return replace(step, act=Act.REFUSE, why="another contact point has that name already")
            return replace(
                step,
                act=Act.CREATE,
                do=lambda: self._grafana.create_contact_point(dict(point.model)),
            )
        if point.uid in self._wishes.leave:
            return replace(step, act=Act.KEEP, why="--leave")
        if found.get("provenance") == "file":
            return replace(step, act=Act.REFUSE, why="comes from files of this Grafana (provisioning)")
        taken = point.uid in self._wishes.take
        if (found.get("name"), found.get("type")) != (point.title, point.model["type"]) and not taken:
            called = f"is called {found.get('name')!r} and of type {found.get('type')!r} in this Grafana"
            return replace(step, act=Act.REFUSE, why=called)
        settings = found.get("settings") or {}
        wanted: Json = dict(point.model)
        if not self._wishes.emails:
            wanted["settings"] = settings
        changes = tuple(differences({k: wanted[k] for k in ("name", "type", "settings")}, found))
        if not changes:
            return step
        locked = found.get("provenance") == "api"
        wanted["settings"] = {**settings, **wanted["settings"]}
        return replace(
            step,
            act=Act.UPDATE,
            changes=changes,
            do=lambda: self._grafana.update_contact_point(point.uid, wanted, locked),
        )

    def _dashboard(self, board: Dashboard, folder_is_there: bool) -> Step:
        step = Step("dashboard", board.uid, board.title, Act.SAME)
        if board.uid in self._wishes.leave:
            return replace(step, act=Act.KEEP, why="--leave")
        mine = digest([board.folder_uid, board.model])
        found = self._grafana.dashboard(board.uid)
        message = f"twuin grafana sync {mine}"
        if found is None:
            if folder_is_there:
                other = self._grafana.called("dash-db", board.title, board.folder_uid)
                if other is not None:
                    why = f"another dashboard of its folder, {other}, has that title already"
                    return replace(step, act=Act.REFUSE, why=why)
            first = mark_dashboard(board.model, Mark(mine, 1))
            return replace(
                step,
                act=Act.CREATE,
                do=lambda: self._grafana.save_dashboard(first, board.folder_uid, message),
            )
        model, meta = found["dashboard"], found["meta"]
        if meta.get("provisioned"):
            return replace(step, act=Act.REFUSE, why="comes from files of this Grafana (provisioning)")
        mark, version = dashboard_mark(model), int(model.get("version", 0))
        changed = mark is not None and mark.version != version
        moved = (meta.get("folderUid") or "") != board.folder_uid
        taken = board.uid in self._wishes.take
        if mark is not None and mark.digest == mine and not ((changed or moved) and taken):
            return replace(step, act=Act.KEEP, why=_CHANGED) if changed or moved else step
        if mark is None or changed or moved:
            refused = self._foreign(step, _FOREIGN if mark is None else _CHANGED)
            if refused is not None:
                return refused
        body = mark_dashboard(board.model, Mark(mine, version + 1)) | {"version": version}
        return replace(
            step,
            act=Act.UPDATE,
            changes=tuple(dashboard_differences(board.model, model)),
            do=lambda: self._grafana.save_dashboard(body, board.folder_uid, message),
        )

    def _rule(self, rule: Rule, rules: Sequence[Json], told: Collection[str]) -> Step:
        """told: contact points that are there. A rule whose contact point is not goes the way that the
        notification policies of this Grafana say."""
        step = Step("alert rule", rule.uid, rule.title, Act.SAME)
        if rule.uid in self._wishes.leave:
            return replace(step, act=Act.KEEP, why="--leave")
        wanted: Json = dict(rule.model)
        if (wanted.get("notification_settings") or {}).get("receiver") not in told:
            wanted.pop("notification_settings", None)
        mine = digest(rule_essence(wanted))
        body = mark_rule(wanted, Mark(mine))
        found = next((r for r in rules if r.get("uid") == rule.uid), None)
        if found is None:
            if any(r.get("title") == rule.title and r.get("folderUID") == rule.folder_uid for r in rules):
                return replace(step, act=Act.REFUSE, why="another rule of its folder has that title already")
            return replace(step, act=Act.CREATE, do=lambda: self._grafana.create_rule(body))
        if found.get("provenance") == "file":
            return replace(step, act=Act.REFUSE, why="comes from files of this Grafana (provisioning)")
        mark = rule_mark(found)
        changed = mark is not None and digest(rule_essence(found)) != mark.digest
        taken = rule.uid in self._wishes.take
        if mark is not None and mark.digest == mine and not (changed and taken):
            return replace(step, act=Act.KEEP, why=_CHANGED) if changed else step
        if mark is None or changed:
            refused = self._foreign(step, _FOREIGN if mark is None else _CHANGED)
            if refused is not None:
                return refused
        body["isPaused"] = bool(found.get("isPaused"))
        return replace(
            step,
            act=Act.UPDATE,
            changes=tuple(differences(rule_essence(wanted), rule_essence(found))),
            do=lambda: self._grafana.update_rule(rule.uid, body),
        )


_FOREIGN = "was not written by twuin grafana sync"

_CHANGED = "somebody has changed it in Grafana since the last sync"
