/* One WebSocket a page. It hears only that something changed (a topic and an action); the sections of the page then
   ask for themselves again through their ordinary, authorised addresses:

     <body data-live-topics="project:p26001 operations">
     <section hx-get="…" hx-trigger="live from:body" hx-swap="outerHTML">

   What was heard dispatches `live` on the body, and `live:project` for each kind of its topics: at once, then not
   before PACE_MS are over and what the page asks for just now is in place, so that a page never falls behind however
   much happens. Whenever the connection comes up, the first time included, each is dispatched once, because nobody
   heard what happened before.

   Where an Event was among it (no mere notice of new figures), or may have been, the request that follows carries the
   header Live-Event, for sections whose answer brings along what Events alone change. */

(() => {
  "use strict";

  const named = [...document.querySelectorAll("[data-live-topics]")].flatMap((part) => part.dataset.liveTopics.split(/\s+/));
  const topics = [...new Set(named.filter(Boolean))];
  const NOT_ALLOWED = 4403;
  const QUIET_MS = 5000;
  const SHORTEST_WAIT_MS = 300;
  const FIRST_WAIT_MS = 4000;
  const LONGEST_WAIT_MS = 15000;
  const GATHER_MS = 50;
  const PACE_MS = 500;
  // htmx settles 20 ms after it swapped.
  const SETTLE_MS = 50;
  const hint = document.querySelector(".live-hint");
  let socket = null;
  let failures = 0;
  let retry = 0;
  let hintTimer = 0;

  let untold = new Map();
  let toldAt = -PACE_MS;
  let telling = 0;

  let happened = false;

  function note(topic, action, isEvent) {
    untold.delete(topic);
    untold.set(topic, action);
    happened ||= isEvent;
    telling ||= setTimeout(tell, Math.max(GATHER_MS, toldAt + PACE_MS - performance.now()));
  }

  function tell() {
    telling = 0;
    if (asking.size) {
      telling = setTimeout(tell, SETTLE_MS);
      return;
    }
    toldAt = performance.now();
    const [topic, action] = [...untold].at(-1);
    const kinds = new Set([...untold.keys()].map((name) => `live:${name.split(":")[0]}`));
    const detail = { topic, action, happened };
    untold = new Map();
    happened = false;
    for (const name of ["live", ...kinds]) {
      document.body.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
    }
  }

  /* A section hears nothing from its request on until htmx has settled what came back, because it is another one then. */
  const asking = new Set();
  document.body.addEventListener("htmx:beforeSend", ({ detail }) => asking.add(detail.xhr));
  document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
    setTimeout(() => asking.delete(detail.xhr), SETTLE_MS);
  });

  document.body.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.triggeringEvent?.detail?.happened) detail.headers["Live-Event"] = "1";
  });

  function heard(event) {
    const message = JSON.parse(event.data);
    if (message.listening) {
      failures = 0;
      clearTimeout(hintTimer);
      hintTimer = 0;
      hint.textContent = "";
      for (const topic of topics) note(topic, "connected", true);
    } else {
      note(message.topic, message.action, message.event !== null || message.action === "reconnected");
    }
  }

  function lost(event) {
    socket = null;
    if (event.code === NOT_ALLOWED) return;
    hintTimer ||= setTimeout(() => (hint.textContent = hint.dataset.text), QUIET_MS);
    // Every browser loses a server that restarts at the same moment: they come back spread over the whole time.
    const wait = SHORTEST_WAIT_MS + Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
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
