/* One form: saved by itself, with a copy in this browser until the server has it. */

import { PAGE, copies, placeOf } from "./copies.js";
import { asServed, content, differingNames, fill, label } from "./fields.js";
import { Note, button, tellSignedOut } from "./note.js";
import { TOKEN, askSession, sentence, words } from "./session.js";

const AFTER_CHANGE_MS = 2000;
const COPY_MS = 300;
const SLOW_MS = 800; // a quick save need not be told of
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 60000;
const PATIENCE_MS = 60000;
const ASK_SESSION_MS = 10000;
const KEEPALIVE_CHARACTERS = 15000; // what outlives its page may hold 64 kB, and a Korean letter takes three bytes

const clock = (moment) =>
  new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(moment);

export class Keeper {
  constructor(form, number) {
    this.form = form;
    this.number = number;
    this.place = placeOf(number);
    this.status = form.querySelector("[data-autosave-status]") ?? this.madeStatus();
    if (!this.status.hasAttribute("role")) this.status.setAttribute("role", "status");
    this.note = new Note(form);
    this.stored = JSON.stringify(asServed(form));
    this.unsaved = []; // names of what the server could not keep as it is written
    this.unanswered = null; // what a save carried that may or may not have arrived
    this.flight = null;
    this.over = false; // cannot be saved here any more
    this.waitsFor = ""; // "session" or "connection"
    this.failures = 0;
    form.addEventListener("input", () => this.touched());
    form.addEventListener("change", () => this.touched());
    this.offerCopy();
    if (this.isChanged()) this.touched(); // the browser has restored what was written
  }

  madeStatus() {
    const made = document.createElement("p");
    made.className = "muted";
    this.form.append(made);
    return made;
  }

  isChanged() {
    return JSON.stringify(content(this.form)) !== this.stored;
  }

  touched() {
    this.copyTimer ??= setTimeout(() => this.copy(), COPY_MS);
    this.saveIn(this.failures ? this.pause() : AFTER_CHANGE_MS);
  }

  /** Keep in this browser what the server does not have. False where the browser refuses. */
  copy() {
    clearTimeout(this.copyTimer);
    this.copyTimer = undefined;
    if (this.isChanged() || this.unsaved.length) return copies.write(this.place, content(this.form));
    copies.remove(this.place);
    return true;
  }

  saveIn(wait) {
    clearTimeout(this.saveTimer);
    if (!this.over) this.saveTimer = setTimeout(() => this.save(), wait);
  }

  pause() {
    return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
  }

  // --- saving ---------------------------------------------------------------------------------------------------

  /** "saved", "session", "connection", "failed" or "over". Never two at once: whoever comes second waits. */
  async save(leaving = false) {
    clearTimeout(this.saveTimer);
    while (this.flight) await this.flight;
    if (this.over) return "over";
    if (!this.isChanged()) return "saved";
    this.copy();
    this.flight = this.send(content(this.form), leaving);
    try {
      return await this.flight;
    } finally {
      this.flight = null;
    }
  }

  async send(fields, leaving) {
    const slow = setTimeout(() => this.say(words.saving), SLOW_MS);
    try {
      let answer = await this.post(fields, leaving);
      if (answer.status === 403) {
        const who = await askSession();
        if (who !== "same") return this.signedOut(who);
        answer = await this.post(fields, leaving);
      }
      if (answer.status === 409 && (await this.wasOurs())) answer = await this.post(fields, leaving);
      return await this.heard(answer, fields);
    } catch {
      this.unanswered = fields;
      this.say(words.offline);
      return this.failed("connection");
    } finally {
      clearTimeout(slow);
    }
  }

  post(fields, leaving) {
    const body = new FormData();
    for (const [name, value] of fields) body.append(name, value);
    for (const name of [TOKEN, "revision"]) {
      const input = this.form.querySelector(`input[name=${name}]`);
      if (input) body.append(name, input.value);
    }
    body.append("action", "autosave");
    return fetch(this.form.getAttribute("action") || location.href, {
      method: "POST",
      body,
      headers: { "X-Requested-With": "autosave", Accept: "application/json" },
      redirect: "manual",
      keepalive: leaving && JSON.stringify(fields).length < KEEPALIVE_CHARACTERS,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  }

  async heard(answer, fields) {
    const isOurs = answer.headers.get("Content-Type")?.startsWith("application/json");
    if (answer.ok && isOurs) return this.saved(await answer.json(), fields);
    if (answer.status === 401) return this.signedOut("nobody");
    if (answer.status === 409 && isOurs) return this.ended((await answer.json()).message);
    if (answer.status === 403 || answer.status === 404) return this.ended(words.gone);
    this.say(words.failed);
    return this.failed("failed");
  }

  saved(told, fields) {
    this.stored = JSON.stringify(fields);
    this.unanswered = null;
    this.failures = 0;
    this.waitsFor = "";
    for (const about of ["nobody", "other", "connection"]) this.note.hide(about);
    this.setRevision(told.revision);
    if (told.meter !== undefined) showMeter(told.meter);
    for (const part of document.querySelectorAll("[data-problems]")) part.textContent = told.problems ?? "";
    this.unsaved = told.unsaved ?? [];
    this.say(told.message || sentence(words.saved, told.saved_at));
    if (this.unsaved.length) this.say(sentence(words.savedExcept, this.labels(this.unsaved)));
    this.copy();
    if (this.isChanged()) this.saveIn(AFTER_CHANGE_MS);
    return "saved";
  }

  setRevision(revision) {
    this.form.querySelector("input[name=revision]")?.setAttribute("value", revision);
  }

  /** Whether the server has, word for word, the save whose answer never came; then its revision is ours. */
  async wasOurs() {
    if (!this.unanswered) return false;
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    const served = page.querySelectorAll("form[data-autosave]")[this.number];
    const arrived = served && !differingNames(content(served), this.unanswered).length;
    this.unanswered = null;
    if (arrived) this.setRevision(served.querySelector("input[name=revision]")?.value ?? "");
    return arrived;
  }

  // --- where that is not possible -------------------------------------------------------------------------------

  failed(outcome) {
    this.failures += 1;
    this.waitsFor = "connection";
    this.saveIn(this.pause());
    return outcome;
  }

  signedOut(who) {
    this.waitsFor = "session";
    this.say(words.notSaved);
    tellSignedOut(this.note, who);
    clearTimeout(this.sessionTimer);
    this.sessionTimer = setTimeout(() => this.tryAgain(), ASK_SESSION_MS);
    return "session";
  }

  ended(text) {
    this.over = true;
    this.waitsFor = "";
    this.say(words.notSaved);
    this.note.show("over", `${text} ${words.keptHere}`, button(words.reload, () => location.reload()));
    return "over";
  }

  /** Signed in again, or the connection is back? Then saving goes on by itself. */
  async tryAgain() {
    if (this.waitsFor === "connection") this.save();
    if (this.waitsFor !== "session") return;
    let who = "nobody";
    try {
      who = await askSession();
    } catch {
      // No connection: asked again in a while.
    }
    if (who !== "same") {
      this.signedOut(who);
      return;
    }
    clearTimeout(this.sessionTimer);
    this.waitsFor = "";
    for (const about of ["nobody", "other"]) this.note.hide(about);
    this.say("");
    this.save();
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  // --- what an earlier visit could not save ---------------------------------------------------------------------

  offerCopy() {
    const served = content(this.form);
    for (const [key, copy] of copies.all(PAGE)) {
      const names = differingNames(copy.fields, served);
      if (key === this.place) continue;
      if (names.length) {
        this.offer(key, copy, names);
        return;
      }
      copies.remove(key);
    }
  }

  labels(names) {
    return [...new Set(names.map((name) => label(this.form, name)).filter(Boolean))].join(", ");
  }

  offer(key, copy, names) {
    const at = clock(copy.at);
    const labels = this.labels(names);
    const differs = labels ? ` ${sentence(words.differs, labels)}` : "";
    this.note.show(
      "copy",
      sentence(words.found, at) + differs,
      button(sentence(words.bringBack, at), () => this.bringBack(key, copy.fields)),
      button(words.discard, () => this.discard(key)),
    );
  }

  bringBack(key, fields) {
    this.note.hide("copy");
    fill(this.form, fields);
    this.copy();
    copies.remove(key);
    this.form.querySelector("input:not([type=hidden]), textarea, select")?.focus();
  }

  discard(key) {
    this.note.hide("copy");
    copies.remove(key);
    this.offerCopy();
  }

  // --- sending --------------------------------------------------------------------------------------------------

  /** Whether a submit may go out now. What the server refuses to save by itself it shall refuse in its own words. */
  async mayBeSent() {
    const unchanged = !this.flight && !this.isChanged();
    const outcome = unchanged ? await sessionOutcome() : await this.save();
    if (outcome === "nobody" || outcome === "other") this.signedOut(outcome);
    if (outcome === "connection") this.note.show("connection", words.notSent);
    return ["saved", "failed", "over", "same"].includes(outcome);
  }
}

/** Who is signed in, or "connection" where that cannot be told. */
export async function sessionOutcome() {
  try {
    return await askSession();
  } catch {
    return "connection";
  }
}

function showMeter(percent) {
  for (const part of document.querySelectorAll("[data-meter]")) {
    const bar = part.matches("progress, meter") ? part : part.querySelector("progress, meter");
    const text = bar ? part.querySelector(".num") : part;
    if (bar) bar.value = (percent * bar.max) / 100;
    if (text) text.textContent = `${percent} %`;
  }
}
