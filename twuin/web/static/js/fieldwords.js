// Names of states, steps and what was found, as the other pages call them.

import { _ } from "./fieldtext.js";

export const actionName = (action) =>
  ({
    accept: _("Accept the job"),
    arrive: _("We are on site"),
    locate: _("Found here"),
    not_found: _("Not found"),
    start_repair: _("Repair begins"),
    repaired: _("It is repaired"),
    note: _("Note or photo"),
  })[action];

export const stateName = (state) =>
  ({
    open: _("Open"),
    acknowledged: _("Acknowledged"),
    assigned: _("Assigned"),
    on_site: _("On site"),
    located: _("Located"),
    repairing: _("Being repaired"),
    repaired: _("Repaired"),
    verified: _("Verified"),
    closed: _("Closed"),
  })[state];

export const happened = (action) =>
  ({
    opened: _("Opened"),
    acknowledged: _("Acknowledged"),
    assigned: _("Assigned"),
    accepted: _("Accepted"),
    arrived: _("On site"),
    located: _("Located"),
    not_found: _("Not found"),
    repairing: _("Repair begun"),
    repaired: _("Repaired"),
    closed: _("Closed"),
    reopened: _("Reopened"),
    note: _("Note"),
    verified: _("Verified"),
    reported: _("Told later"),
    joined: _("Joined"),
    parted: _("Parted again"),
  })[action] ?? action;

export const leakTypes = () => [
  ["main_break", _("Main burst")],
  ["main_hole", _("Hole in a main")],
  ["joint", _("Pipe joint")],
  ["fitting", _("Valve, hydrant or fitting")],
  ["service", _("Service pipe")],
  ["illegal", _("Illegal connection")],
  ["other", _("Something else")],
];

export const methods = () => [
  ["clamp", _("Repair clamp")],
  ["section", _("Piece of pipe replaced")],
  ["joint", _("Joint remade")],
  ["fitting", _("Fitting mended or replaced")],
  ["service", _("Service pipe mended or replaced")],
  ["shut_off", _("Shut off or disconnected")],
  ["other", _("Another way")],
];

export const fittingName = (kind) =>
  ({
    valve: _("Valve"),
    hydrant: _("Hydrant"),
    air_valve: _("Air valve"),
    washout: _("Wash-out"),
    tap: _("Tap"),
    other: _("Fitting"),
  })[kind] ?? kind;

export const stageName = (stage) =>
  ({ respond: _("Promised: response"), locate: _("Promised: leak found"), repair: _("Promised: repair") })[stage];

/** Why the server did not take something. */
export const refusal = (entry) =>
  ({
    right: _("You have no right to this here. Ask the control room."),
    gone: _("This job is not there for you any more."),
    large: _("The photo is too large."),
    invalid: _("The server cannot take it as it is."),
  })[entry.why];

/** Why what was told is kept in words, and is no step. */
export const keptWhy = (why) =>
  ({
    anothers: _("Meanwhile the job was given to others. What you told stands in its history."),
    newer: _("Something newer had been told already. What you told stands in the history."),
    state: _("The alert had gone on by then. What you told stands in its history."),
  })[why];
