/* What pages gain where JavaScript runs: no double submits, no lost edits, copy buttons, current "3 minutes ago".
   Everything works on parts swapped in later, too: listeners are on the document. */

(() => {
  "use strict";

  // --- one press, one submit ------------------------------------------------------------------------------------

  document.addEventListener("submit", (event) => {
    const form = event.target;
    // htmx sends its forms itself and has prevented the browser's own submit by now.
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sending) {
      event.preventDefault();
      return;
    }
    form.dataset.sending = "yes";
    const button = event.submitter;
    // Disabled a moment later: a disabled button's own name and value would not be sent.
    if (button) {
      setTimeout(() => {
        button.disabled = true;
        button.classList.add("busy");
      });
    }
  });

  // A page that comes back from the browser's cache is usable again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sending]")) {
      delete form.dataset.sending;
      for (const button of form.querySelectorAll("button.busy")) {
        button.disabled = false;
        button.classList.remove("busy");
      }
    }
  });

  // --- leaving a changed form -----------------------------------------------------------------------------------

  const content = (form) =>
    JSON.stringify(
      [...new FormData(form)]
        .filter(([name]) => name !== "csrfmiddlewaretoken")
        .map(([name, value]) => [name, value instanceof File ? `${value.name} ${value.size}` : value]),
    );
  const asLoaded = new WeakMap();
  const changed = (form) => asLoaded.has(form) && asLoaded.get(form) !== content(form);

  window.addEventListener("beforeunload", (event) => {
    // What is saved by itself has a guard of its own (autosave.js).
    const guarded = [...document.querySelectorAll("form[data-guard]:not([data-autosave])")];
    if (guarded.some((form) => !form.dataset.sending && changed(form))) event.preventDefault();
  });

  // --- copying --------------------------------------------------------------------------------------------------

  async function copy(button) {
    const code = button.closest(".codebox").querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Without permission (or over plain HTTP) the text is left selected, ready for the keyboard.
      getSelection().selectAllChildren(code);
      return;
    }
    const before = button.innerHTML;
    button.textContent = button.dataset.done;
    setTimeout(() => (button.innerHTML = before), 2000);
  }

  // --- menus close on Escape, on a click elsewhere and when focus moves on --------------------------------------

  const openMenus = () => document.querySelectorAll("details.menu[open]");

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("focusin", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // --- moments --------------------------------------------------------------------------------------------------

  const UNITS = [
    ["year", 31536000],
    ["month", 2592000],
    ["week", 604800],
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang);

  function tellTime() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
      const [unit, length] = UNITS.find(([, long]) => Math.abs(seconds) >= long) ?? UNITS.at(-1);
      // Towards now, as the server rounds (portal.web.templatetags.figures.ago_text); this very moment is "1 second ago".
      const amount = Math.trunc(seconds / length) || -1;
      const text = relative.format(amount, unit);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // --- what has just come onto the page -------------------------------------------------------------------------

  function prepare() {
    for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
    for (const form of document.querySelectorAll("form[data-guard]")) {
      if (!asLoaded.has(form)) asLoaded.set(form, content(form));
    }
    tellTime();
  }

  prepare();
  document.querySelector("[data-focus]")?.focus();
  document.addEventListener("htmx:afterSettle", prepare);
  setInterval(tellTime, 10000);
})();
