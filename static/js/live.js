/* One WebSocket a page. It hears only that something changed (a topic and an action); the sections of the page then
   ask for themselves again through their ordinary, authorised addresses:

     <body data-live-topics="project:p26001 operations">
     <section hx-get="…" hx-trigger="live from:body delay:200ms" hx-swap="outerHTML">

   A message dispatches `live` on the body, and `live:project` for the kind of its topic. Whenever the connection
   comes up, the first time included, each is dispatched once, because nobody heard what happened before. */

(() => {
  "use strict";

  const named = [...document.querySelectorAll("[data-live-topics]")].flatMap((part) => part.dataset.liveTopics.split(/\s+/));
  const topics = [...new Set(named.filter(Boolean))];
  const NOT_ALLOWED = 4403;
  const QUIET_MS = 5000;
  const LONGEST_WAIT_MS = 30000;
  const hint = document.querySelector(".live-hint");
  let socket = null;
  let failures = 0;
  let retry = 0;
  let hintTimer = 0;

  function tell(topic, action) {
    const detail = { topic, action };
    for (const name of new Set(["live", `live:${topic.split(":")[0]}`])) {
      document.body.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
    }
  }

  /* A section that is being put in place hears nothing until htmx has settled it: what came meanwhile is said again. */
  const settling = new Set();
  let missed = [];

  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => detail.shouldSwap && settling.add(detail.xhr));
  for (const done of ["htmx:afterSettle", "htmx:swapError"]) {
    document.body.addEventListener(done, ({ detail }) => {
      settling.delete(detail.xhr);
      if (settling.size) return;
      const again = missed;
      missed = [];
      for (const { topic, action } of again) tell(topic, action);
    });
  }

  function catchUp() {
    document.body.dispatchEvent(new CustomEvent("live", { bubbles: true, detail: { topic: "", action: "connected" } }));
    for (const kind of new Set(topics.map((topic) => topic.split(":")[0]))) {
      const detail = { topic: kind, action: "connected" };
      document.body.dispatchEvent(new CustomEvent(`live:${kind}`, { bubbles: true, detail }));
    }
  }

  function heard(event) {
    const message = JSON.parse(event.data);
    if (message.listening) {
      failures = 0;
      clearTimeout(hintTimer);
      hintTimer = 0;
      hint.textContent = "";
      catchUp();
    } else {
      if (settling.size) missed.push(message);
      tell(message.topic, message.action);
    }
  }

  function lost(event) {
    socket = null;
    if (event.code === NOT_ALLOWED) return;
    hintTimer ||= setTimeout(() => (hint.textContent = hint.dataset.text), QUIET_MS);
    const wait = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** failures) * (0.75 + Math.random() / 2);
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(connect, wait);
  }

  function connect() {
    if (socket) return;
    clearTimeout(retry);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const query = topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join("&");
    socket = new WebSocket(`${scheme}//${location.host}/live/?${query}`);
    socket.addEventListener("message", heard);
    socket.addEventListener("close", lost);
  }

  function leave() {
    if (!socket) return;
    socket.removeEventListener("close", lost);
    socket.close();
    socket = null;
  }

  if (topics.length) {
    connect();
    window.addEventListener("online", connect);
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", (event) => event.persisted && connect());
  }

  // A section that is sent elsewhere (to the sign-in page after the session ended) must not put that inside itself.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (requestConfig.verb !== "get" || !xhr.responseURL) return;
    if (new URL(xhr.responseURL).pathname === new URL(requestConfig.path, location.href).pathname) return;
    event.detail.shouldSwap = false;
    location.reload();
  });

  // A refreshed section keeps the details that the reader has opened.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const open = [...event.detail.target.querySelectorAll("details[id][open]")].map((part) => part.id);
    const restore = () => open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    document.body.addEventListener("htmx:afterSwap", restore, { once: true });
  });
})();
