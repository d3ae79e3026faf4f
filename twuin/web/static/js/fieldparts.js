// Small parts that the views are made of.

/** An element. attributes: class, data-*, on* as listeners; null and false are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  return element;
}

/** A button that cannot be pressed twice while its work goes on. */
export function button(text, work, more = {}) {
  const element = h("button", { type: "button", class: "button", ...more }, text);
  element.addEventListener("click", async () => {
    if (element.disabled) return;
    element.disabled = true;
    try {
      await work(element);
    } finally {
      element.disabled = false;
    }
  });
  return element;
}

/** Facts as a list of names and values; those without a value are left out. */
export function facts(rows) {
  return h(
    "dl",
    { class: "facts" },
    rows
      .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
      .map(([name, ...values]) => h("div", {}, h("dt", {}, name), values.map((v) => h("dd", {}, v)))),
  );
}

/** Say something for a moment. */
export function toast(text, kind = "") {
  const box = h("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), 6000);
}
