/* What the reader is told beside the status line: a note that stays in sight while the form is scrolled. */

import { words } from "./session.js";

function link(text, address) {
  const anchor = document.createElement("a");
  Object.assign(anchor, { className: "button", href: address, target: "_blank", textContent: text });
  return anchor;
}

export function button(text, press) {
  const made = document.createElement("button");
  Object.assign(made, { className: "button", type: "button", textContent: text });
  made.addEventListener("click", press);
  return made;
}

export class Note {
  constructor(form) {
    this.form = form;
    this.about = "";
    this.part = null;
  }

  show(about, text, ...actions) {
    if (this.about === about) return;
    this.hide();
    this.about = about;
    this.part = document.createElement("div");
    this.part.className = "banner warning autosave-note";
    this.part.setAttribute("role", "alert");
    const said = document.createElement("p");
    said.textContent = text;
    const acts = document.createElement("p");
    acts.className = "actions";
    acts.append(...actions);
    this.part.append(said, ...(actions.length ? [acts] : []));
    this.form.append(this.part);
    // What is being written stays in sight above it (scroll-margin in components.css).
    if (this.form.contains(document.activeElement)) document.activeElement.scrollIntoView({ block: "nearest" });
  }

  hide(about = this.about) {
    if (this.about !== about) return;
    this.part?.remove();
    this.about = "";
  }
}

export function tellSignedOut(note, who) {
  note.show(who, who === "other" ? words.otherPerson : words.signedOut, link(words.signIn, words.signInAddress));
}
