/* Nothing written is lost. A `<form data-autosave>` is posted to its own address two seconds after the last change and
   when the page is hidden: all fields but files, with `action=autosave` and the header X-Requested-With: autosave.
   What the server answers is in portal/web/autosave.py. The form may show how it stands:

     <input type="hidden" name="revision" value="7">           the revision it is based on, kept current
     <p data-autosave-status>…</p>                              "Saved at 10:03"; made where it is missing
     <div data-meter>{% progress … %}</div>, [data-problems]    completeness in percent, how many problems are left

   Until the server has it, a copy stays in this browser, per person and address; a page that finds one offers it.
   A submit waits for the save in flight, and is held back while nobody is signed in or there is no connection.
   templates/parts/autosave.html loads this on every page, with its sentences. */

import { OWN, copies } from "./autosave/copies.js";
import { hasFiles } from "./autosave/fields.js";
import { Keeper, sessionOutcome } from "./autosave/keeper.js";
import { Note } from "./autosave/note.js";
import { words } from "./autosave/session.js";

const keepers = new Map();
let leavingForGood = false; // signing out: nothing is to be kept

// --- a submit waits until it may go out -------------------------------------------------------------------------

const checked = new WeakSet();
const checking = new WeakSet();
const notes = new WeakMap();

/** Hold the submit back until `ready` says yes, then send it with the button that was pressed. */
async function hold(event, ready) {
  const form = event.target;
  if (checked.delete(form)) return;
  event.preventDefault();
  if (checking.has(form)) return;
  checking.add(form);
  event.submitter?.classList.add("busy");
  const goes = await ready();
  checking.delete(form);
  event.submitter?.classList.remove("busy");
  if (!goes) return;
  checked.add(form);
  form.requestSubmit(event.submitter);
}

/** For the page that carries what was sent while signed out. */
async function mayBeSentAgain(form) {
  if (!notes.has(form)) notes.set(form, new Note(form));
  const note = notes.get(form);
  const outcome = await sessionOutcome();
  if (outcome === "nobody") note.show("nobody", words.stillSignedOut);
  if (outcome === "other") note.show("other", words.otherPerson);
  if (outcome === "connection") note.show("connection", words.notSent);
  return outcome === "same";
}

async function maySignOut() {
  await Promise.all([...keepers.values()].map((keeper) => keeper.save()));
  if (copies.all(OWN).length && !confirm(words.signOut)) return false;
  for (const [key] of copies.all(OWN)) copies.remove(key);
  leavingForGood = true;
  return true;
}

function whatHolds(form) {
  const keeper = keepers.get(form);
  if (keeper) return () => keeper.mayBeSent();
  if (form.matches("[data-send-again]")) return () => mayBeSentAgain(form);
  if (words.person && form.getAttribute("action") === words.signOutAddress) return maySignOut;
  return null;
}

// Before forms.js hears of it: what is held back is not being sent.
document.addEventListener(
  "submit",
  (event) => {
    const ready = whatHolds(event.target);
    if (ready) hold(event, ready);
  },
  { capture: true },
);

// --- the page comes and goes ------------------------------------------------------------------------------------

const each = (act) => [...keepers.values()].map(act);

// A link waits for the save, so that the next page shows what was just written.
document.addEventListener("click", async (event) => {
  const anchor = event.target.closest?.("a[href]");
  const modified = event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!anchor || modified || anchor.target || anchor.hasAttribute("download")) return;
  if (anchor.origin !== location.origin || (anchor.hash && anchor.pathname === location.pathname)) return;
  const unsaved = [...keepers.values()].filter((keeper) => !keeper.over && !keeper.waitsFor && keeper.isChanged());
  if (!unsaved.length) return;
  event.preventDefault();
  await Promise.all(unsaved.map((keeper) => keeper.save()));
  location.assign(anchor.href);
});

document.addEventListener("visibilitychange", () => {
  each((keeper) => (document.hidden ? keeper.save(true) : keeper.tryAgain()));
});
window.addEventListener("focus", () => each((keeper) => keeper.tryAgain()));
window.addEventListener("online", () => each((keeper) => keeper.tryAgain()));
window.addEventListener("pagehide", () => leavingForGood || each((keeper) => keeper.copy()));

// A page from the browser's cache may be older than what is stored.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted || !keepers.size) return;
  if (each((keeper) => keeper.isChanged()).some(Boolean)) each((keeper) => keeper.save());
  else location.reload();
});

// What is kept in this browser need not hold anybody back; chosen files cannot be kept.
window.addEventListener("beforeunload", (event) => {
  if (leavingForGood) return;
  for (const [form, keeper] of keepers) {
    if (!form.dataset.sending && (!keeper.copy() || hasFiles(form))) event.preventDefault();
  }
  if (document.querySelector("form[data-send-again]:not([data-sending])")) event.preventDefault();
});

// After the page's other scripts, which may add fields; they are not kept waiting for this one.
window.addEventListener("load", () => {
  document.querySelectorAll("form[data-autosave]").forEach((form, number) => keepers.set(form, new Keeper(form, number)));
});
