/* What a form holds, as [name, text] pairs: read, compared, written back. Files are never among them. */

const ofTheFrame = (name) => ["csrfmiddlewaretoken", "revision", "action"].includes(name);

/** [name, text] of every field but files. */
export function content(form) {
  return [...new FormData(form)].filter(([name, value]) => !(value instanceof File) && !ofTheFrame(name));
}

/** What the server put into the form, whatever the browser has restored or somebody has written since. */
export function asServed(form) {
  const pristine = form.cloneNode(true);
  pristine.reset();
  return content(pristine);
}

/** Values by name, with what a server makes of them: no spaces around, one kind of line end. */
function byName(fields) {
  const values = new Map();
  for (const [name, value] of fields) {
    const plain = value.replaceAll("\r\n", "\n").trim();
    if (plain && !name.endsWith("_FORMS")) values.set(name, [...(values.get(name) ?? []), plain]);
  }
  return values;
}

export function differingNames(one, other) {
  const [left, right] = [byName(one), byName(other)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].filter((name) => JSON.stringify(left.get(name)) !== JSON.stringify(right.get(name)));
}

export const hasFiles = (form) => [...form.querySelectorAll("input[type=file]")].some((input) => input.files.length);

function controls(form, name) {
  const found = form.elements.namedItem(name);
  if (!found) return [];
  return found instanceof RadioNodeList ? [...found] : [found];
}

export function label(form, name) {
  const [first] = controls(form, name);
  if (!first) return "";
  const group = first.type === "radio" ? first.closest("fieldset")?.querySelector("legend") : null;
  const said = group ?? first.labels?.[0];
  return said ? [...said.childNodes].map((node) => node.textContent.trim()).find(Boolean) ?? "" : "";
}

export function fill(form, fields) {
  const values = new Map();
  for (const [name, value] of fields) values.set(name, [...(values.get(name) ?? []), value]);
  for (const rows of form.querySelectorAll("[data-rows]")) {
    const total = rows.querySelector('[name$="-TOTAL_FORMS"]');
    const wanted = Number(values.get(total.name)?.[0] ?? 0);
    while (Number(total.value) < wanted) rows.querySelector("[data-rows-add]").click();
  }
  for (const control of form.elements) {
    if (!control.name || ofTheFrame(control.name) || control.name.endsWith("_FORMS")) continue;
    if (["file", "submit", "button", "fieldset"].includes(control.type)) continue;
    const own = values.get(control.name) ?? [];
    if (control.type === "radio" || control.type === "checkbox") control.checked = own.includes(control.value);
    else if (control.multiple) for (const option of control.options) option.selected = own.includes(option.value);
    else control.value = own.shift() ?? "";
  }
  form.dispatchEvent(new Event("input", { bubbles: true }));
}
