// What a crew fills in: where it was found, what leaked, how it was mended, photos, a note. What is half filled in
// is kept on the phone: the camera of a cheap phone may push the page out of memory.

import { makeMap } from "./fieldmap.js";
import { button, h, toast } from "./fieldparts.js";
import { shrink } from "./fieldphoto.js";
import { tell } from "./fieldqueue.js";
import { fact, keepFact } from "./fieldstore.js";
import { _, metres, setup } from "./fieldtext.js";
import { actionName, leakTypes, methods } from "./fieldwords.js";

const MOST_PHOTOS = 8;
const POSITION = { enableHighAccuracy: true, timeout: 30_000, maximumAge: 5_000 };

/** Which fields each action has. */
const FIELDS = {
  locate: ["place", "leak_type", "photos", "note"],
  not_found: ["photos", "note"],
  start_repair: ["photos", "note"],
  repaired: ["method", "leak_type", "place", "photos", "note"],
  note: ["photos", "note"],
};

/** Whether an action is told by one tap, without a form. */
export const atOnce = (action) => !(action in FIELDS);

/** The form of an action for a job. done: called when it is in the queue. */
export async function actionForm(job, action, done) {
  const draftName = `draft:${job.id}:${action}`;
  const draft = (await fact(draftName).catch(() => null)) ?? { place: null, leak_type: job.leak_type ?? "", method: "", note: "", photos: [] };
  const fields = FIELDS[action];
  const keep = () => keepFact(draftName, draft).catch(() => {});
  const submit = button(actionName(action), send, { class: "button primary wide" });
  const problem = h("p", { class: "banner bad", role: "alert", hidden: true });

  function check() {
    const missing =
      action === "locate" ? !draft.place : action === "note" ? !draft.note.trim() && !draft.photos.length : false;
    submit.disabled = missing;
  }

  async function send() {
    const note = draft.note.trim();
    const body = { action };
    if (note) body.note = note;
    if (fields.includes("place") && draft.place) body.place = draft.place;
    for (const name of ["leak_type", "method"]) {
      if (fields.includes(name) && draft[name]) body[name] = draft[name];
    }
    try {
      await tell(job.id, action === "note" && !note ? null : body, draft.photos);
      await keepFact(draftName, undefined).catch(() => {});
    } catch {
      problem.textContent = _("This phone could not keep it: its storage is full or closed. Free some space, then try again.");
      problem.hidden = false;
      return;
    }
    done();
  }

  const parts = {
    place: () => placeField(job, draft, () => (keep(), check()), action === "locate"),
    leak_type: () => choice(_("What leaked"), leakTypes(), draft, "leak_type", keep),
    method: () => choice(_("How it was mended"), methods(), draft, "method", keep),
    photos: () => photoField(draft, () => (keep(), check())),
    note: () => noteField(draft, () => (keep(), check())),
  };
  const form = h(
    "form",
    { class: "form", onsubmit: (e) => e.preventDefault() },
    fields.map((name) => parts[name]()),
    problem,
    submit,
  );
  check();
  return form;
}

function choice(title, options, draft, name, keep) {
  const group = h("fieldset", { class: "choices" }, h("legend", {}, title));
  for (const [value, text] of options) {
    const input = h("input", {
      type: "radio",
      name,
      value,
      checked: draft[name] === value,
      onchange: () => {
        draft[name] = value;
        keep();
      },
    });
    group.append(h("label", { class: "choice" }, input, h("span", {}, text)));
  }
  return group;
}

function noteField(draft, changed) {
  const area = h("textarea", {
    rows: "3",
    maxlength: "2000",
    oninput: () => {
      draft.note = area.value;
      changed();
    },
  });
  area.value = draft.note;
  return h("label", { class: "field" }, h("span", {}, _("Note")), area);
}

function photoField(draft, changed) {
  const row = h("div", { class: "thumbs" });
  const input = (camera) =>
    h("input", {
      type: "file",
      accept: "image/*",
      class: "visually-hidden",
      ...(camera ? { capture: "environment" } : { multiple: true }),
      "data-photo": camera ? "camera" : "gallery",
      onchange: (e) => take(e.target),
    });

  async function take(from) {
    const files = [...from.files];
    from.value = "";
    for (const file of files) {
      if (draft.photos.length >= MOST_PHOTOS) {
        toast(_("At most %(n)s photos at a time.", { n: MOST_PHOTOS }), "bad");
        break;
      }
      try {
        draft.photos.push(await shrink(file));
      } catch {
        toast(_("This file is no photo that the phone can read."), "bad");
      }
    }
    changed();
    show();
  }

  function show() {
    row.replaceChildren(
      ...draft.photos.map((photo, i) =>
        h(
          "span",
          { class: "thumb" },
          picture(photo.thumb),
          h(
            "button",
            {
              type: "button",
              class: "thumb-off",
              "aria-label": _("Remove this photo"),
              onclick: () => {
                draft.photos.splice(i, 1);
                changed();
                show();
              },
            },
            "×",
          ),
        ),
      ),
    );
  }
  show();
  return h(
    "fieldset",
    { class: "photos" },
    h("legend", {}, _("Photos")),
    row,
    h(
      "div",
      { class: "row" },
      h("label", { class: "button" }, _("Take a photo"), input(true)),
      h("label", { class: "button quiet-button" }, _("From the phone"), input(false)),
    ),
  );
}

/** A picture that is kept on the phone, as an image. */
export function picture(blob) {
  const image = h("img", { alt: "" });
  if (blob) {
    image.src = URL.createObjectURL(blob);
    image.onload = () => URL.revokeObjectURL(image.src);
  }
  return image;
}

function placeField(job, draft, changed, needed) {
  const said = h("p", { class: "place-said", "aria-live": "polite" });
  const map = job.map.features.length ? makeMap(job, { onPipe: choose, height: 340 }) : null;

  function choose(place, how = "") {
    const { off_m: off, ...kept } = place;
    draft.place = kept;
    changed();
    show(how);
  }

  function show(how = "") {
    const place = draft.place;
    const known = place ?? (needed ? null : job.place);
    map?.show({ chosen: place ?? job.place });
    said.textContent = known
      ? [placeText(known), how].filter(Boolean).join(". ")
      : _("Tap the pipe on the map, or use where the phone is.");
    said.classList.toggle("set", Boolean(known));
  }

  async function locate() {
    let fix;
    try {
      fix = await position();
    } catch (error) {
      toast(error.code === 1 ? _("The phone does not let this page know where it is.") : _("No position yet. Try again under the open sky."), "bad");
      return;
    }
    map?.show({ position: fix });
    const snapped = map?.snap(fix.lon, fix.lat);
    const accuracy = _("The phone knows its place to within %(m)s.", { m: metres(Math.max(1, fix.accuracy)) });
    if (snapped && snapped.off_m <= Math.max(50, 2 * fix.accuracy)) {
      // Where the phone is, and the pipe beside it: people stand beside the hole, not in it.
      choose({ pipe: snapped.pipe, along_m: snapped.along_m, lon: fix.lon, lat: fix.lat, off_m: snapped.off_m }, accuracy);
    } else {
      const alone = _("No pipe of the network is near: only the position is kept.");
      choose({ lon: fix.lon, lat: fix.lat }, [accuracy, alone].join(" "));
    }
    map?.focus(fix.lon, fix.lat);
  }

  show();
  return h(
    "fieldset",
    { class: "place" },
    h("legend", {}, needed ? _("Where it was found") : _("Where it was, if that was not told yet")),
    map,
    said,
    h(
      "div",
      { class: "row" },
      job.georeferenced && navigator.geolocation ? button(_("Where the phone is"), locate) : null,
      map ? null : pipeInput(draft, choose),
    ),
  );
}

/** Without a map the pipe's name is typed. */
function pipeInput(draft, choose) {
  const input = h("input", {
    maxlength: "80",
    autocapitalize: "off",
    autocomplete: "off",
    onchange: () => input.value.trim() && choose({ pipe: input.value.trim() }),
  });
  input.value = draft.place?.pipe ?? "";
  return h("label", { class: "field" }, h("span", {}, _("Pipe")), input);
}

/** A place in words. */
export function placeText(place) {
  const at = place.lon == null ? "" : `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}`;
  if (!place.pipe) return at;
  if (place.along_m == null) return _("pipe %(pipe)s", { pipe: place.pipe });
  return _("pipe %(pipe)s, %(along)s along it", { pipe: place.pipe, along: metres(place.along_m) });
}

function position() {
  return new Promise((resolve, reject) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) =>
        resolve({
          lon: Math.round(coords.longitude * 1e6) / 1e6,
          lat: Math.round(coords.latitude * 1e6) / 1e6,
          accuracy: coords.accuracy,
        }),
      reject,
      POSITION,
    );
  });
}

/** The actions that a job allows now, the next one first; steps that wait to be sent count as taken. */
export function possible(job, state, accepted) {
  const may = Object.keys(setup.steps).filter((a) => setup.steps[a].from.includes(state));
  const order = ["accept", "arrive", "locate", "start_repair", "repaired", "not_found", "note"];
  const next = {
    open: "accept",
    acknowledged: "accept",
    assigned: accepted ? "arrive" : "accept",
    on_site: "locate",
    located: "start_repair",
    repairing: "repaired",
  }[state];
  const found = order.filter((a) => may.includes(a) && !(a === "accept" && accepted) && a !== next);
  return next ? [next, ...found] : found;
}
